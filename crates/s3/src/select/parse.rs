//! The grammar: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-select-sql-reference.html>.

use super::ast::*;
use super::error::{refused, unexpected};
use super::lexer::{Kind, Token, tokens};
use super::value::Value;
use crate::{Error, Result};

/// The longest expression, in bytes: AWS's 256 KB.
const MAX_EXPRESSION_BYTES: usize = 256 * 1024;
/// How deep expressions may nest.
const MAX_DEPTH: usize = 64;

/// # Errors
/// `ExpressionTooLong`, and what lexer and parser of S3 Select say.
pub(super) fn query(text: &str) -> Result<Query> {
    if text.len() > MAX_EXPRESSION_BYTES {
        let message = "The SQL expression is too long: The maximum byte-length for the SQL expression is 256 KB.";
        return Err(refused("ExpressionTooLong", message));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens,
        at: 0,
        end: text.len(),
        depth: 0,
        aggregates: Vec::new(),
        in_aggregate: false,
    };
    parser.query()
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    end: usize,
    depth: usize,
    aggregates: Vec<Aggregate>,
    in_aggregate: bool,
}

const RESERVED: [&str; 24] = [
    "SELECT", "FROM", "WHERE", "LIMIT", "AS", "AND", "OR", "NOT", "IS", "NULL", "MISSING", "IN", "BETWEEN", "LIKE",
    "ESCAPE", "CASE", "WHEN", "THEN", "ELSE", "END", "TRUE", "FALSE", "GROUP", "ORDER",
];

impl Parser {
    fn query(&mut self) -> Result<Query> {
        if !self.word("SELECT") {
            return Err(self.expected("ParseUnsupportedSelect", "SELECT"));
        }
        let select = if self.sign("*") {
            Select::All
        } else {
            Select::Items(self.items()?)
        };
        if !self.word("FROM") {
            return Err(refused(
                "ParseSelectMissingFrom",
                "The SQL expression contains a missing FROM after the SELECT list.",
            ));
        }
        let (from, alias) = self.source()?;
        let filter = if self.word("WHERE") {
            let before = self.aggregates.len();
            let filter = self.expr()?;
            if self.aggregates.len() > before {
                return Err(structure("Aggregates are not allowed in WHERE."));
            }
            Some(filter)
        } else {
            None
        };
        let limit = if self.word("LIMIT") { Some(self.limit()?) } else { None };
        if let Some(token) = self.peek() {
            if let Kind::Word(word) = &token.kind
                && ["GROUP", "ORDER", "HAVING", "JOIN", "UNION"].contains(&word.to_ascii_uppercase().as_str())
            {
                return Err(structure(&format!("{} is not supported.", word.to_ascii_uppercase())));
            }
            return Err(unexpected(&token.kind.shown(), token.at));
        }
        let mut query = Query {
            select,
            from,
            filter,
            limit,
            aggregates: std::mem::take(&mut self.aggregates),
        };
        let aliases = [alias.as_deref().unwrap_or("S3Object"), "S3Object"];
        query.each_path(&mut |path| strip_alias(path, &aliases));
        query.check()?;
        Ok(query)
    }

    fn items(&mut self) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        loop {
            let expr = self.expr()?;
            // `s.*` is the whole record.
            if self.sign_follows(".*") {
                self.at += 2;
            }
            let name = if self.word("AS") {
                Some(self.name()?)
            } else if let Some(Token {
                kind: Kind::Word(word), ..
            }) = self.peek()
            {
                let word = word.clone();
                let is_name = !is_reserved(&word);
                if is_name {
                    self.at += 1;
                }
                is_name.then_some(word)
            } else {
                match self.peek().map(|token| token.kind.clone()) {
                    Some(Kind::Quoted(name)) => {
                        self.at += 1;
                        Some(name)
                    }
                    _ => None,
                }
            };
            items.push(Item { expr, name });
            if !self.sign(",") {
                return Ok(items);
            }
        }
    }

    fn source(&mut self) -> Result<(Vec<Step>, Option<String>)> {
        let at = self.position();
        match self.name() {
            Ok(name) if name.eq_ignore_ascii_case("S3Object") => {}
            _ => {
                let message = format!("The data source in the FROM clause at position {at} is not S3Object.");
                return Err(refused("InvalidDataSource", message));
            }
        }
        let mut steps = self.steps(true)?;
        // The first `[*]` is the sequence of documents itself.
        if steps.first() == Some(&Step::Each) {
            steps.remove(0);
        }
        let alias = if self.word("AS") {
            Some(self.name()?)
        } else {
            match self.peek().map(|token| token.kind.clone()) {
                Some(Kind::Word(word)) if !is_reserved(&word) && !word.eq_ignore_ascii_case("HAVING") => {
                    self.at += 1;
                    Some(word)
                }
                Some(Kind::Quoted(word)) => {
                    self.at += 1;
                    Some(word)
                }
                _ => None,
            }
        };
        if self.sign(",") {
            return Err(structure("More than one data source is not supported."));
        }
        Ok((steps, alias))
    }

    fn limit(&mut self) -> Result<u64> {
        match self.next() {
            Some(Token {
                kind: Kind::Integer(limit),
                ..
            }) => u64::try_from(limit).map_err(|_| structure("LIMIT must not be negative.")),
            Some(token) => Err(unexpected(&token.kind.shown(), token.at)),
            None => Err(self.expected("ParseExpectedNumber", "a number")),
        }
    }

    fn steps(&mut self, each: bool) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            if self.sign_follows(".*") {
                return Ok(steps);
            }
            if self.sign(".") {
                steps.push(self.key()?);
            } else if self.sign("[") {
                let step = match self.next() {
                    Some(Token {
                        kind: Kind::Integer(index),
                        at,
                    }) => Step::Index(usize::try_from(index).map_err(|_| unexpected(&index.to_string(), at))?),
                    Some(Token {
                        kind: Kind::Text(name), ..
                    }) => Step::Key { name, exact: true },
                    Some(Token {
                        kind: Kind::Sign("*"), ..
                    }) if each => Step::Each,
                    Some(token) => return Err(unexpected(&token.kind.shown(), token.at)),
                    None => return Err(self.expected("ParseExpectedTokenType", "]")),
                };
                steps.push(step);
                self.expect("]")?;
            } else {
                return Ok(steps);
            }
        }
    }

    fn key(&mut self) -> Result<Step> {
        match self.next() {
            Some(Token {
                kind: Kind::Word(name), ..
            }) => Ok(Step::Key { name, exact: false }),
            Some(Token {
                kind: Kind::Quoted(name),
                ..
            }) => Ok(Step::Key { name, exact: true }),
            Some(token) => Err(unexpected(&token.kind.shown(), token.at)),
            None => Err(self.expected("ParseExpectedIdentForAlias", "a name")),
        }
    }

    fn name(&mut self) -> Result<String> {
        match self.key()? {
            Step::Key { name, .. } => Ok(name),
            Step::Index(_) | Step::Each => Err(self.expected("ParseExpectedIdentForAlias", "a name")),
        }
    }

    fn expr(&mut self) -> Result<Expr> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(structure("The expression is nested too deep."));
        }
        let parsed = self.binary(0);
        self.depth -= 1;
        parsed
    }

    /// Operators of a precedence from `level` on.
    fn binary(&mut self, level: usize) -> Result<Expr> {
        const LEVELS: [&[(&str, Operator)]; 4] = [
            &[("OR", Operator::Or)],
            &[("AND", Operator::And)],
            &[
                ("||", Operator::Concat),
                ("+", Operator::Add),
                ("-", Operator::Subtract),
            ],
            &[
                ("*", Operator::Multiply),
                ("/", Operator::Divide),
                ("%", Operator::Modulo),
            ],
        ];
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        // `NOT` and the comparisons lie between `AND` and the sums.
        let below = |parser: &mut Self| {
            if level == 1 {
                parser.not()
            } else {
                parser.binary(level + 1)
            }
        };
        let mut left = below(self)?;
        while let Some(operator) = self.operator(operators) {
            let right = below(self)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn operator(&mut self, operators: &[(&'static str, Operator)]) -> Option<Operator> {
        let found = operators
            .iter()
            .find(|(text, _)| match self.peek().map(|token| &token.kind) {
                Some(Kind::Sign(sign)) => sign == text,
                Some(Kind::Word(word)) => word.eq_ignore_ascii_case(text),
                _ => false,
            });
        let (_, operator) = found?;
        self.at += 1;
        Some(*operator)
    }

    fn not(&mut self) -> Result<Expr> {
        if self.word("NOT") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(structure("The expression is nested too deep."));
            }
            let negated = self.not()?;
            self.depth -= 1;
            return Ok(Expr::Not(Box::new(negated)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expr> {
        const COMPARISONS: [(&str, Operator); 8] = [
            ("=", Operator::Equal),
            ("==", Operator::Equal),
            ("<>", Operator::NotEqual),
            ("!=", Operator::NotEqual),
            ("<", Operator::Less),
            ("<=", Operator::LessOrEqual),
            (">", Operator::Greater),
            (">=", Operator::GreaterOrEqual),
        ];
        let mut left = self.binary(2)?;
        loop {
            if let Some(operator) = self.operator(&COMPARISONS) {
                let right = self.binary(2)?;
                left = Expr::Binary(operator, Box::new(left), Box::new(right));
            } else if self.word("IS") {
                let not = self.word("NOT");
                let what = if self.word("NULL") {
                    Absence::Null
                } else if self.word("MISSING") {
                    Absence::Missing
                } else {
                    return Err(self.expected("ParseUnexpectedToken", "NULL or MISSING"));
                };
                left = Expr::Is {
                    of: Box::new(left),
                    what,
                    not,
                };
            } else {
                let before = self.at;
                let not = self.word("NOT");
                left = if self.word("BETWEEN") {
                    let low = Box::new(self.binary(2)?);
                    if !self.word("AND") {
                        return Err(self.expected("ParseExpectedKeyword", "AND"));
                    }
                    let high = Box::new(self.binary(2)?);
                    Expr::Between {
                        of: Box::new(left),
                        low,
                        high,
                        not,
                    }
                } else if self.word("IN") {
                    self.expect("(")?;
                    let list = self.arguments()?;
                    Expr::In {
                        of: Box::new(left),
                        list,
                        not,
                    }
                } else if self.word("LIKE") {
                    let pattern = Box::new(self.binary(2)?);
                    let escape = if self.word("ESCAPE") {
                        Some(Box::new(self.binary(2)?))
                    } else {
                        None
                    };
                    Expr::Like {
                        of: Box::new(left),
                        pattern,
                        escape,
                        not,
                    }
                } else {
                    self.at = before;
                    return Ok(left);
                };
            }
        }
    }

    fn unary(&mut self) -> Result<Expr> {
        if self.sign("-") || self.sign("+") {
            let negative = matches!(self.tokens[self.at - 1].kind, Kind::Sign("-"));
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(structure("The expression is nested too deep."));
            }
            let of = self.unary()?;
            self.depth -= 1;
            return Ok(match of {
                of if !negative => of,
                Expr::Literal(Value::Integer(number)) => Expr::Literal(Value::Integer(number.wrapping_neg())),
                Expr::Literal(Value::Float(number)) => Expr::Literal(Value::Float(-number)),
                of => Expr::Negative(Box::new(of)),
            });
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expr> {
        let Some(token) = self.next() else {
            return Err(self.expected("ParseExpectedExpression", "an expression"));
        };
        match token.kind {
            Kind::Integer(number) => Ok(Expr::Literal(Value::Integer(number))),
            Kind::Float(number) => Ok(Expr::Literal(Value::Float(number))),
            Kind::Text(text) => Ok(Expr::Literal(Value::Text(text))),
            Kind::Sign("(") => {
                let inner = self.expr()?;
                self.expect(")")?;
                Ok(inner)
            }
            Kind::Quoted(name) => self.path(Step::Key { name, exact: true }),
            Kind::Word(word) => {
                if matches!(
                    self.peek(),
                    Some(Token {
                        kind: Kind::Sign("("),
                        ..
                    })
                ) && !is_reserved(&word)
                {
                    self.at += 1;
                    return self.call(&word, token.at);
                }
                match word.to_ascii_uppercase().as_str() {
                    "TRUE" => Ok(Expr::Literal(Value::Bool(true))),
                    "FALSE" => Ok(Expr::Literal(Value::Bool(false))),
                    "NULL" => Ok(Expr::Literal(Value::Null)),
                    "MISSING" => Ok(Expr::Literal(Value::Missing)),
                    "CASE" => self.case(),
                    _ if is_reserved(&word) => Err(unexpected(&format!("KEYWORD:{word}"), token.at)),
                    _ => self.path(Step::Key {
                        name: word,
                        exact: false,
                    }),
                }
            }
            kind @ Kind::Sign(_) => Err(unexpected(&kind.shown(), token.at)),
        }
    }

    fn path(&mut self, first: Step) -> Result<Expr> {
        let mut steps = vec![first];
        steps.extend(self.steps(false)?);
        Ok(Expr::Path(steps))
    }

    fn case(&mut self) -> Result<Expr> {
        let of = if self.is_word("WHEN") {
            None
        } else {
            Some(Box::new(self.expr()?))
        };
        let mut arms = Vec::new();
        while self.word("WHEN") {
            let when = self.expr()?;
            if !self.word("THEN") {
                return Err(self.expected("ParseExpectedKeyword", "THEN"));
            }
            arms.push((when, self.expr()?));
        }
        let otherwise = if self.word("ELSE") {
            Some(Box::new(self.expr()?))
        } else {
            None
        };
        if arms.is_empty() || !self.word("END") {
            return Err(self.expected("ParseExpectedKeyword", "END"));
        }
        Ok(Expr::Case { of, arms, otherwise })
    }

    /// What stands behind the opening bracket of a call.
    fn call(&mut self, name: &str, at: usize) -> Result<Expr> {
        let name = name.to_ascii_uppercase();
        let aggregate = match name.as_str() {
            "COUNT" => Some(AggregateKind::Count),
            "SUM" => Some(AggregateKind::Sum),
            "AVG" => Some(AggregateKind::Average),
            "MIN" => Some(AggregateKind::Least),
            "MAX" => Some(AggregateKind::Greatest),
            _ => None,
        };
        if let Some(kind) = aggregate {
            return self.aggregate(kind);
        }
        let (function, arity) = match name.as_str() {
            "CAST" => {
                let of = Box::new(self.expr()?);
                if !self.word("AS") {
                    return Err(self.expected("ParseExpectedKeyword", "AS"));
                }
                let kind = self.type_name()?;
                self.expect(")")?;
                return Ok(Expr::Cast(of, kind));
            }
            "SUBSTRING" => return self.substring(),
            "TRIM" => return self.trim(),
            "EXTRACT" => {
                let part = self.part()?;
                if !self.word("FROM") {
                    return Err(self.expected("ParseExpectedKeyword", "FROM"));
                }
                (Function::Extract(part), 1..=1)
            }
            "DATE_ADD" | "DATE_DIFF" => {
                let part = self.part()?;
                self.expect(",")?;
                let function = if name == "DATE_ADD" {
                    Function::DateAdd(part)
                } else {
                    Function::DateDiff(part)
                };
                (function, 2..=2)
            }
            "COALESCE" => (Function::Coalesce, 1..=usize::MAX),
            "NULLIF" => (Function::NullIf, 2..=2),
            "CHAR_LENGTH" | "CHARACTER_LENGTH" => (Function::CharLength, 1..=1),
            "LOWER" => (Function::Lower, 1..=1),
            "UPPER" => (Function::Upper, 1..=1),
            "TO_STRING" => (Function::ToString, 2..=2),
            "TO_TIMESTAMP" => (Function::ToTimestamp, 1..=1),
            "UTCNOW" => (Function::UtcNow, 0..=0),
            "SIZE" => (Function::Size, 1..=1),
            _ => {
                let message = format!("Encountered an unsupported SQL function {name} at position {at}.");
                return Err(refused("UnsupportedFunction", message));
            }
        };
        let arguments = if self.sign(")") { Vec::new() } else { self.arguments()? };
        if !arity.contains(&arguments.len()) {
            let message = format!("Incorrect number of arguments in the function call {name} at position {at}.");
            return Err(refused("EvaluatorInvalidArguments", message));
        }
        Ok(Expr::Call(function, arguments))
    }

    fn aggregate(&mut self, kind: AggregateKind) -> Result<Expr> {
        if self.in_aggregate {
            return Err(structure("Aggregates cannot be nested."));
        }
        self.in_aggregate = true;
        let of = if kind == AggregateKind::Count && self.sign("*") {
            None
        } else {
            Some(self.expr()?)
        };
        self.in_aggregate = false;
        self.expect(")")?;
        self.aggregates.push(Aggregate { kind, of });
        Ok(Expr::Aggregate(self.aggregates.len() - 1))
    }

    fn substring(&mut self) -> Result<Expr> {
        let mut arguments = vec![self.expr()?];
        if self.word("FROM") {
            arguments.push(self.expr()?);
            if self.word("FOR") {
                arguments.push(self.expr()?);
            }
            self.expect(")")?;
        } else {
            self.expect(",")?;
            arguments.extend(self.arguments()?);
        }
        if arguments.len() > 3 {
            let message = "Incorrect number of arguments in the function call SUBSTRING.";
            return Err(refused("EvaluatorInvalidArguments", message));
        }
        Ok(Expr::Call(Function::Substring, arguments))
    }

    fn trim(&mut self) -> Result<Expr> {
        let function = if self.word("LEADING") {
            Function::TrimLeading
        } else if self.word("TRAILING") {
            Function::TrimTrailing
        } else {
            self.word("BOTH");
            Function::TrimBoth
        };
        let space = || Expr::Literal(Value::Text(" ".into()));
        let arguments = if self.word("FROM") {
            vec![space(), self.expr()?]
        } else {
            let first = self.expr()?;
            if self.word("FROM") {
                vec![first, self.expr()?]
            } else {
                vec![space(), first]
            }
        };
        self.expect(")")?;
        Ok(Expr::Call(function, arguments))
    }

    fn part(&mut self) -> Result<Part> {
        let at = self.position();
        let word = self.name()?.to_ascii_uppercase();
        Ok(match word.as_str() {
            "YEAR" => Part::Year,
            "MONTH" => Part::Month,
            "DAY" => Part::Day,
            "HOUR" => Part::Hour,
            "MINUTE" => Part::Minute,
            "SECOND" => Part::Second,
            _ => {
                let message = format!("Did not find the expected date part at position {at} in the SQL expression.");
                return Err(refused("ParseExpectedDatePart", message));
            }
        })
    }

    fn type_name(&mut self) -> Result<Type> {
        let at = self.position();
        let word = self.name()?.to_ascii_uppercase();
        let kind = match word.as_str() {
            "BOOL" | "BOOLEAN" => Type::Bool,
            "INT" | "INTEGER" | "BIGINT" | "SMALLINT" => Type::Integer,
            "FLOAT" | "DECIMAL" | "NUMERIC" | "REAL" | "DOUBLE" => Type::Float,
            "STRING" | "VARCHAR" | "CHAR" | "CHARACTER" | "TEXT" => Type::Text,
            "TIMESTAMP" => Type::Timestamp,
            _ => {
                let message = format!("Did not find the expected type name at position {at} in the SQL expression.");
                return Err(refused("ParseExpectedTypeName", message));
            }
        };
        if self.sign("(") {
            // Lengths and precisions are taken and make no difference.
            self.arguments()?;
        }
        Ok(kind)
    }

    /// Expressions up to the closing bracket, at least one.
    fn arguments(&mut self) -> Result<Vec<Expr>> {
        let mut arguments = vec![self.expr()?];
        while self.sign(",") {
            arguments.push(self.expr()?);
        }
        self.expect(")")?;
        Ok(arguments)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    fn position(&self) -> usize {
        self.peek().map_or(self.end, |token| token.at)
    }

    fn is_word(&self, expected: &str) -> bool {
        matches!(self.peek(), Some(Token { kind: Kind::Word(word), .. }) if word.eq_ignore_ascii_case(expected))
    }

    fn word(&mut self, expected: &str) -> bool {
        let is = self.is_word(expected);
        self.at += usize::from(is);
        is
    }

    fn sign(&mut self, expected: &str) -> bool {
        let is = matches!(self.peek(), Some(Token { kind: Kind::Sign(sign), .. }) if *sign == expected);
        self.at += usize::from(is);
        is
    }

    /// Whether these signs, of one character each, come next.
    fn sign_follows(&self, signs: &str) -> bool {
        signs.chars().enumerate().all(|(behind, expected)| {
            let token = self.tokens.get(self.at + behind);
            matches!(token, Some(Token { kind: Kind::Sign(sign), .. }) if sign.chars().eq([expected]))
        })
    }

    fn expect(&mut self, sign: &'static str) -> Result<()> {
        if self.sign(sign) {
            return Ok(());
        }
        Err(match self.peek() {
            Some(token) => unexpected(&token.kind.shown(), token.at),
            None => self.expected("ParseExpectedTokenType", sign),
        })
    }

    fn expected(&self, code: &'static str, what: &str) -> Error {
        let at = self.position();
        refused(
            code,
            format!("Did not find the expected {what} at position {at} in the SQL expression."),
        )
    }
}

fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

fn structure(message: &str) -> Error {
    refused(
        "UnsupportedSqlStructure",
        format!("Encountered an unsupported SQL structure. {message}"),
    )
}

/// `s.name` is `name` of the record that `s` stands for.
fn strip_alias(path: &mut Vec<Step>, aliases: &[&str]) {
    if let Some(Step::Key { name, .. }) = path.first()
        && aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    {
        path.remove(0);
    }
}

impl Query {
    /// Calls `with` for every path of the query but that of the source.
    pub(super) fn each_path(&mut self, with: &mut impl FnMut(&mut Vec<Step>)) {
        self.each_expr(&mut |expr| {
            if let Expr::Path(path) = expr {
                with(path);
            }
        });
    }

    /// Calls `with` for every expression of the query.
    pub(super) fn each_expr(&mut self, with: &mut impl FnMut(&mut Expr)) {
        if let Select::Items(items) = &mut self.select {
            for item in items {
                item.expr.each(with);
            }
        }
        for aggregate in &mut self.aggregates {
            if let Some(of) = &mut aggregate.of {
                of.each(with);
            }
        }
        if let Some(filter) = &mut self.filter {
            filter.each(with);
        }
    }

    /// A result over all records has nothing of a single one.
    fn check(&mut self) -> Result<()> {
        if self.aggregates.is_empty() {
            return Ok(());
        }
        let mut mixed = matches!(self.select, Select::All);
        if let Select::Items(items) = &mut self.select {
            for item in items {
                item.expr.each(&mut |expr| mixed |= matches!(expr, Expr::Path(_)));
            }
        }
        if mixed {
            return Err(structure("Columns and aggregates cannot be selected together."));
        }
        Ok(())
    }
}

impl Expr {
    /// Calls `with` for this expression and all within it.
    fn each(&mut self, with: &mut impl FnMut(&mut Expr)) {
        with(self);
        match self {
            Self::Literal(_) | Self::Path(_) | Self::Column(_) | Self::Aggregate(_) => {}
            Self::Not(of) | Self::Negative(of) | Self::Cast(of, _) | Self::Is { of, .. } => of.each(with),
            Self::Binary(_, left, right) => {
                left.each(with);
                right.each(with);
            }
            Self::Between { of, low, high, .. } => {
                of.each(with);
                low.each(with);
                high.each(with);
            }
            Self::In { of, list, .. } => {
                of.each(with);
                list.iter_mut().for_each(|expr| expr.each(with));
            }
            Self::Like {
                of, pattern, escape, ..
            } => {
                of.each(with);
                pattern.each(with);
                escape.iter_mut().for_each(|expr| expr.each(with));
            }
            Self::Case { of, arms, otherwise } => {
                of.iter_mut().for_each(|expr| expr.each(with));
                for (when, then) in arms {
                    when.each(with);
                    then.each(with);
                }
                otherwise.iter_mut().for_each(|expr| expr.each(with));
            }
            Self::Call(_, arguments) => arguments.iter_mut().for_each(|expr| expr.each(with)),
        }
    }
}
