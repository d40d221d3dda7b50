use super::*;
use std::os::unix::fs::PermissionsExt;

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            if text.starts_with("#!") {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        Self(folder)
    }

    fn plan(&self, config: &Config) -> Result<Plan, DeployError> {
        let config = Config {
            name: Some("app".into()),
            ..config.clone()
        };
        inspect(self.0.path(), &config)
    }
}

fn plan(files: &[(&str, &str)]) -> Plan {
    Folder::with(files).plan(&Config::default()).unwrap()
}

fn command(plan: &Plan) -> &str {
    match &plan.serving {
        Serving::Server { command, .. } => command,
        other => panic!("not a server: {other:?}"),
    }
}

fn handler(plan: &Plan) -> &str {
    match &plan.serving {
        Serving::Handler { handler } => handler,
        other => panic!("not a handler: {other:?}"),
    }
}

#[test]
fn a_flask_app_is_served_by_gunicorn() {
    let found = plan(&[
        ("app.py", "from flask import Flask\napp = Flask(__name__)\n"),
        ("requirements.txt", "Flask==3.1\n"),
    ]);
    assert_eq!(found.kind, Kind::Flask);
    assert!(command(&found).ends_with("'app:app'"), "{}", command(&found));
    assert_eq!(
        found.build,
        Build::Pip {
            requirements: vec!["-r".into(), "requirements.txt".into()],
            added: vec!["gunicorn".into()]
        }
    );
    let listed = plan(&[
        ("app.py", "import flask\nsite = flask.Flask(__name__)\n"),
        ("requirements.txt", "flask\ngunicorn>=23\n"),
    ]);
    assert!(command(&listed).ends_with("'app:site'"));
    assert!(matches!(listed.build, Build::Pip { added, .. } if added.is_empty()));
}

#[test]
fn an_application_factory_is_called() {
    let text = "from flask import Flask\n\ndef create_app():\n    app = Flask(__name__)\n    return app\n";
    let found = plan(&[
        ("shop/__init__.py", text),
        ("pyproject.toml", "[project]\ndependencies = [\"flask>=3\"]\n"),
    ]);
    assert!(command(&found).ends_with("'shop:create_app()'"), "{}", command(&found));
    assert!(matches!(&found.build, Build::Pip { requirements, .. } if requirements == &["flask>=3"]));
}

#[test]
fn a_fastapi_app_is_served_by_uvicorn() {
    let found = plan(&[
        (
            "api/main.py",
            "from fastapi import FastAPI\napp: FastAPI = FastAPI(title='x')\n",
        ),
        ("requirements.txt", "fastapi\n"),
    ]);
    assert_eq!(found.kind, Kind::Fastapi);
    assert!(command(&found).ends_with("'api.main:app'"), "{}", command(&found));
}

#[test]
fn a_django_project_is_found_by_its_settings() {
    let manage = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'todo.settings')\n";
    let found = plan(&[
        ("manage.py", manage),
        ("todo/wsgi.py", ""),
        ("todo/settings.py", "DEBUG = False\nALLOWED_HOSTS = []\n"),
        ("requirements.txt", "Django\n"),
    ]);
    assert_eq!(found.kind, Kind::Django);
    assert!(command(&found).ends_with("'todo.wsgi:application'"));
    assert!(found.warnings[0].contains("ALLOWED_HOSTS"));
}

#[test]
fn a_start_script_makes_a_node_server() {
    let manifest = r#"{"scripts":{"start":"node server.js"},"dependencies":{"express":"^4"}}"#;
    let found = plan(&[("package.json", manifest), ("server.js", "")]);
    assert_eq!((found.kind, command(&found)), (Kind::Node, "node server.js"));
    assert_eq!(found.build, Build::Npm { script: None });
    let next = plan(&[(
        "package.json",
        r#"{"scripts":{"start":"next start","build":"next build"},"dependencies":{"next":"15"}}"#,
    )]);
    assert_eq!(
        next.build,
        Build::Npm {
            script: Some("build".into())
        }
    );
    let main = plan(&[
        ("package.json", r#"{"main":"app.js","dependencies":{"express":"4"}}"#),
        ("app.js", "app.listen(1)"),
    ]);
    assert_eq!(command(&main), "node app.js");
}

#[test]
fn handlers_are_found_by_file_and_function() {
    assert_eq!(
        handler(&plan(&[(
            "lambda_function.py",
            "def lambda_handler(event, context):\n    pass\n"
        )])),
        "lambda_function.lambda_handler"
    );
    assert_eq!(
        handler(&plan(&[("handler.py", "import x\ndef hello(event, context): pass\n")])),
        "handler.hello"
    );
    assert_eq!(
        handler(&plan(&[("index.js", "exports.handler = async () => 1\n")])),
        "index.handler"
    );
    assert_eq!(
        handler(&plan(&[("index.mjs", "export const handler = async () => 1\n")])),
        "index.handler"
    );
    let two = Folder::with(&[("handler.js", "module.exports.a = () => 1\nmodule.exports.b = () => 1\n")]);
    assert!(two.plan(&Config::default()).unwrap_err().advice().contains("handler.a"));
}

#[test]
fn a_rust_program_is_a_lambda_or_a_server() {
    let lambda = plan(&[
        (
            "Cargo.toml",
            "[package]\nname='f'\n[dependencies]\nlambda_http='0.14'\n",
        ),
        ("src/main.rs", ""),
    ]);
    assert_eq!(lambda.serving, Serving::Bootstrap);
    let server = plan(&[("Cargo.toml", "[package]\nname='f'\n"), ("src/main.rs", "")]);
    assert_eq!(command(&server), "./server");
}

#[test]
fn go_modules_static_sites_and_executables_are_known() {
    assert_eq!(
        plan(&[("go.mod", "module x\nrequire github.com/aws/aws-lambda-go v1\n")]).serving,
        Serving::Bootstrap
    );
    assert_eq!(
        plan(&[("index.html", "<p>")]).serving,
        Serving::Static { folder: ".".into() }
    );
    assert_eq!(
        plan(&[("public/index.html", "<p>")]).serving,
        Serving::Static {
            folder: "public".into()
        }
    );
    assert_eq!(command(&plan(&[("web", "#!/bin/sh\n")])), "'./web'");
    assert_eq!(plan(&[("bootstrap", "#!/bin/sh\n")]).serving, Serving::Bootstrap);
}

#[test]
fn a_procfile_and_the_configuration_come_first() {
    let flask = ("app.py", "from flask import Flask\napp = Flask(__name__)\n");
    let procfile = plan(&[
        flask,
        ("Procfile", "web: gunicorn -b :$PORT app:app\n"),
        ("requirements.txt", "gunicorn\nflask\n"),
    ]);
    assert_eq!(command(&procfile), "python3 -m gunicorn -b :$PORT app:app");
    let config = Config {
        command: Some("./own".into()),
        ..Config::default()
    };
    assert_eq!(command(&Folder::with(&[flask]).plan(&config).unwrap()), "./own");
    let wrong = Config {
        kind: Some(Kind::Go),
        ..Config::default()
    };
    assert!(
        Folder::with(&[flask])
            .plan(&wrong)
            .unwrap_err()
            .to_string()
            .contains("there is no go.mod")
    );
}

#[test]
fn an_unknown_folder_says_what_was_looked_for() {
    let error = Folder::with(&[("notes.txt", "x")])
        .plan(&Config::default())
        .unwrap_err();
    assert!(error.to_string().contains("no index.html"));
    assert!(error.advice().contains("danbi init"));
}

#[test]
fn a_name_is_made_from_the_folder() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("My_Shop (v2)");
    fs::create_dir(&folder).unwrap();
    assert_eq!(app_name(&folder, &Config::default()).unwrap(), "my-shop-v2");
}
