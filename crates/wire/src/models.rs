//! The services that Danbi knows, trimmed from AWS's models by `cargo xtask model`.

use crate::LazyModel;

/// AWS Lambda, 2015-03-31.
pub static LAMBDA: LazyModel = LazyModel::new("lambda", include_str!("../models/lambda.json"));
/// Amazon CloudWatch Logs, 2014-03-28.
pub static LOGS: LazyModel =
    LazyModel::new("logs", include_str!("../models/logs.json")).validation_code("InvalidParameterException");
/// AWS Security Token Service, 2011-06-15.
pub static STS: LazyModel = LazyModel::new("sts", include_str!("../models/sts.json"));

/// All of them.
pub static ALL: [&LazyModel; 3] = [&LAMBDA, &LOGS, &STS];
