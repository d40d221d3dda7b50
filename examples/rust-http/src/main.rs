//! An HTTP function with `lambda_http`: the unmodified crate speaks the Lambda Runtime API.

use lambda_http::{Body, Error, Request, RequestExt, Response, run, service_fn};

async fn answer(request: Request) -> Result<Response<Body>, Error> {
    let parameters = request.query_string_parameters();
    let name = parameters.first("name").unwrap_or("world");
    let greeting = std::env::var("GREETING").unwrap_or_else(|_| "Hello".to_owned());
    println!("hello to {name}");
    let body = format!("{greeting}, {name}! You asked for {}.\n", request.uri().path());
    Ok(Response::builder().header("content-type", "text/plain; charset=utf-8").body(body.into())?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(answer)).await
}
