//! HTTP-server apps in real sandboxes: started by a request, proxied to, ended when idle.

// These are tests, though the harness is their own.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use danbi_core::{Body, BodyError, empty_body, full_body};
use danbi_runtime::{FunctionSpec, RuntimeError};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use serde_json::json as value;
use std::sync::Arc;
use std::time::Duration;
use support::{World, eventually, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

tests![
    any_server_is_proxied_to,
    bodies_stream_both_ways,
    many_requests_share_one_process,
    a_full_process_is_joined_by_another,
    a_websocket_is_carried_through,
    an_app_that_does_not_start_says_why,
    an_app_that_never_listens_is_given_up,
    a_crash_is_explained_and_the_app_comes_back,
    an_idle_app_is_scaled_to_zero_and_back,
    a_retired_app_finishes_its_requests,
    a_lambda_invocation_is_translated,
    a_ready_path_is_awaited,
];

fn app(world: &World, command: &str, files: &[(&str, &str)]) -> FunctionSpec {
    let mut spec = world.function("nodejs20.x", "unused", files);
    spec.environment.insert("DANBI_HTTP_COMMAND".into(), command.into());
    spec
}

const SERVER: &str = r#"
const http = require('http');
let served = 0;
const server = http.createServer((req, res) => {
  served += 1;
  if (req.url === '/crash') { console.log('last words'); process.exit(7); }
  if (req.url === '/echo') { res.writeHead(200, { 'content-type': req.headers['content-type'] ?? 'text/plain' }); res.flushHeaders(); req.pipe(res); return; }
  if (req.url === '/slow') { setTimeout(() => res.end(String(process.pid)), 300); return; }
  res.setHeader('set-cookie', ['a=1', 'b=2']);
  res.setHeader('content-type', 'application/json');
  res.end(JSON.stringify({ url: req.url, method: req.method, host: req.headers.host, served, pid: process.pid, port: process.env.PORT }));
});
server.on('upgrade', (req, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: ' + req.headers.upgrade + '\r\nConnection: Upgrade\r\n\r\n');
  socket.on('data', (data) => socket.write('echo ' + data));
  socket.on('end', () => socket.end());
});
server.listen(process.env.PORT, '127.0.0.1', () => console.log('listening'));
"#;

fn node_app(world: &World) -> FunctionSpec {
    app(world, "node server.js", &[("server.js", SERVER)])
}

fn get(path: &str) -> Request<Body> {
    Request::get(path)
        .header("host", "app.localhost")
        .body(empty_body())
        .unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn ask(world: &World, spec: &Arc<FunctionSpec>, path: &str) -> Result<String, RuntimeError> {
    Ok(text(world.runtime.http(spec.clone(), get(path)).await?).await)
}

async fn any_server_is_proxied_to(world: World) {
    let files = [("index.html", "<h1>hello</h1>")];
    let mut spec = app(&world, "python3 -m http.server --bind 127.0.0.1 $PORT", &files);
    spec.runtime = "python3.11".into();
    let spec = Arc::new(spec);
    let response = world.runtime.http(spec.clone(), get("/index.html")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, "<h1>hello</h1>");
    assert_eq!(
        world.runtime.http(spec.clone(), get("/none")).await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
    eventually("its access log", || {
        world.log(&spec).iter().any(|line| line.contains("GET /index.html"))
    })
    .await;
}

async fn bodies_stream_both_ways(world: World) {
    let spec = Arc::new(node_app(&world));
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, BodyError>>(1);
    let body = Body::new(StreamBody::new(futures(receiver)));
    let request = Request::post("/echo").header("host", "a").body(body).unwrap();
    let mut answer = world.runtime.http(spec, request).await.unwrap().into_body();
    for word in ["one", "two"] {
        sender.send(Ok(Frame::data(word.into()))).await.unwrap();
        let frame = answer.frame().await.unwrap().unwrap();
        assert_eq!(
            frame.into_data().unwrap(),
            word,
            "it comes back before the request ends"
        );
    }
    drop(sender);
    assert!(
        answer
            .frame()
            .await
            .is_none_or(|frame| frame.unwrap().into_data().unwrap().is_empty())
    );
}

/// A channel as a stream of frames.
fn futures<T: Send + 'static>(
    mut receiver: tokio::sync::mpsc::Receiver<T>,
) -> impl futures_util::Stream<Item = T> + Send {
    futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx))
}

async fn many_requests_share_one_process(world: World) {
    let spec = Arc::new(node_app(&world));
    let asked: Vec<_> = (0..40)
        .map(|_| {
            let (runtime, spec) = (world.runtime.clone(), spec.clone());
            tokio::spawn(async move { text(runtime.http(spec, get("/slow")).await.unwrap()).await })
        })
        .collect();
    let mut pids = Vec::new();
    for task in asked {
        pids.push(task.await.unwrap());
    }
    pids.dedup();
    assert_eq!(pids.len(), 1, "{pids:?}");
    assert_eq!(world.runtime.environments().len(), 1);
    let seen = json(ask(&world, &spec, "/a?b=c").await.unwrap().as_bytes());
    assert_eq!(
        (&seen["url"], &seen["host"], &seen["served"]),
        (&value!("/a?b=c"), &value!("app.localhost"), &value!(41))
    );
}

async fn a_full_process_is_joined_by_another(world: World) {
    let mut spec = node_app(&world);
    spec.environment.insert("DANBI_HTTP_CONCURRENCY".into(), "1".into());
    let spec = Arc::new(spec);
    let (first, second) = tokio::join!(ask(&world, &spec, "/slow"), ask(&world, &spec, "/slow"));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(world.runtime.environments().len(), 2);
}

async fn a_websocket_is_carried_through(world: World) {
    let spec = Arc::new(node_app(&world));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let runtime = world.runtime.clone();
    let front = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
            let (runtime, spec) = (runtime.clone(), spec.clone());
            async move {
                runtime
                    .http(spec, request.map(|body| Body::new(body.map_err(Into::into))))
                    .await
            }
        });
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await
    });
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await
        .unwrap();
    let head = read_until(&mut client, "\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.1 101 ") && head.to_lowercase().contains("upgrade: websocket"),
        "{head}"
    );
    for word in ["one", "two"] {
        client.write_all(word.as_bytes()).await.unwrap();
        assert_eq!(read_until(&mut client, word).await, format!("echo {word}"));
    }
    drop(client);
    front.await.unwrap().unwrap();
    assert_eq!(world.runtime.environments().len(), 1);
}

async fn read_until(client: &mut tokio::net::TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(end.as_bytes()) {
        let mut byte = [0];
        let read = tokio::time::timeout(Duration::from_secs(30), client.read(&mut byte))
            .await
            .unwrap()
            .unwrap();
        assert!(
            read == 1,
            "the connection ended after {:?}",
            String::from_utf8_lossy(&seen)
        );
        seen.push(byte[0]);
    }
    String::from_utf8(seen).unwrap()
}

async fn an_app_that_does_not_start_says_why(world: World) {
    let spec = Arc::new(app(
        &world,
        "node server.js",
        &[("server.js", "throw new Error('no database')")],
    ));
    let error = ask(&world, &spec, "/").await.unwrap_err().to_string();
    assert!(
        error.starts_with("the app ended before it listened on $PORT (8080): exit status 1"),
        "{error}"
    );
    assert!(error.contains("no database"), "{error}");
    let spec = Arc::new(app(&world, "no-such-program --x", &[("x", "")]));
    let error = ask(&world, &spec, "/").await.unwrap_err().to_string();
    assert!(
        error.contains("exit status 127") && error.contains("not found"),
        "{error}"
    );
}

async fn an_app_that_never_listens_is_given_up(world: World) {
    let world = world.with(|options| options.app_start_timeout = Duration::from_secs(1));
    let spec = Arc::new(app(&world, "sleep 600", &[("x", "")]));
    let error = ask(&world, &spec, "/").await.unwrap_err().to_string();
    assert!(
        error.starts_with("the app does not listen on $PORT (8080) after 1 s"),
        "{error}"
    );
    eventually("its end", || world.runtime.environments().is_empty()).await;
}

async fn a_crash_is_explained_and_the_app_comes_back(world: World) {
    let spec = Arc::new(node_app(&world));
    ask(&world, &spec, "/").await.unwrap();
    let error = ask(&world, &spec, "/crash").await.unwrap_err().to_string();
    assert!(
        error.starts_with("the app ended while it was serving: exit status 7"),
        "{error}"
    );
    assert!(error.contains("last words"), "{error}");
    let seen = json(ask(&world, &spec, "/").await.unwrap().as_bytes());
    assert_eq!(seen["served"], 1, "a fresh process");
    assert!(world.log(&spec).iter().any(|line| line.starts_with("APP_ERROR ")));
}

async fn an_idle_app_is_scaled_to_zero_and_back(world: World) {
    let world = world.with(|options| options.app_idle_timeout = Duration::from_millis(300));
    let spec = Arc::new(node_app(&world));
    ask(&world, &spec, "/").await.unwrap();
    eventually("zero", || world.runtime.environments().is_empty()).await;
    assert_eq!(json(ask(&world, &spec, "/").await.unwrap().as_bytes())["served"], 1);
}

async fn a_retired_app_finishes_its_requests(world: World) {
    let spec = Arc::new(node_app(&world));
    ask(&world, &spec, "/").await.unwrap();
    let (answer, ()) = tokio::join!(ask(&world, &spec, "/slow"), async {
        eventually("the request", || world.runtime.environments()[0].events == 2).await;
        world.runtime.retire(&spec.function_arn.to_string());
    });
    assert!(answer.is_ok(), "{answer:?}");
    eventually("its end", || world.runtime.environments().is_empty()).await;
}

async fn a_lambda_invocation_is_translated(world: World) {
    let spec = Arc::new(node_app(&world));
    let event = value!({
        "version": "2.0", "rawPath": "/x", "rawQueryString": "y=1", "headers": { "host": "h" },
        "requestContext": { "http": { "method": "PUT" } }, "body": "b", "isBase64Encoded": false,
    });
    let outcome = world.invoke(&spec, &event.to_string()).await;
    assert_eq!(outcome.function_error, None);
    let answer = json(&outcome.payload);
    assert_eq!(
        (&answer["statusCode"], &answer["cookies"]),
        (&value!(200), &value!(["a=1", "b=2"]))
    );
    let body = json(answer["body"].as_str().unwrap().as_bytes());
    assert_eq!(
        (&body["url"], &body["method"], &body["host"]),
        (&value!("/x?y=1"), &value!("PUT"), &value!("h"))
    );
    let outcome = world.invoke(&spec, "{}").await;
    assert_eq!(
        (outcome.function_error, &json(&outcome.payload)["errorType"]),
        (Some("Unhandled"), &value!("Danbi.NotAnHttpEvent"))
    );
    let plain = Request::post("/echo").header("host", "h").body(full_body("x")).unwrap();
    assert_eq!(text(world.runtime.http(spec, plain).await.unwrap()).await, "x");
}

async fn a_ready_path_is_awaited(world: World) {
    let code = "let ready = false; setTimeout(() => { ready = true; }, 300);\nrequire('http').createServer((req, res) => { res.statusCode = ready ? 200 : 503; res.end(String(ready)); }).listen(process.env.PORT);\n";
    let mut spec = app(&world, "node server.js", &[("server.js", code)]);
    spec.environment
        .insert("DANBI_HTTP_READY_PATH".into(), "/health".into());
    let spec = Arc::new(spec);
    assert_eq!(ask(&world, &spec, "/").await.unwrap(), "true");
}
