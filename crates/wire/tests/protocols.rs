//! One structure in every protocol: what a client of each sends, and what it is answered.

use bytes::Bytes;
use danbi_core::{Fault, ServiceError};
use danbi_wire::Value;
use danbi_wire::model::Model;
use danbi_wire::protocol::{ErrorContext, RoutedRequest, decode_request, decode_value, encode_response};
use http::{HeaderMap, HeaderValue};

fn model(protocol: &str) -> Model {
    let json = serde_json::json!({
        "metadata": { "protocol": protocol, "jsonVersion": "1.0", "apiVersion": "2026-11-21", "endpointPrefix": "things",
            "targetPrefix": "Things", "xmlNamespace": "https://things.example/", "awsQueryCompatible": {} },
        "operations": { "PutThing": {
            "name": "PutThing",
            "http": { "method": "PUT", "requestUri": "/things/{Name}", "responseCode": 201 },
            "input": { "shape": "PutThingRequest" },
            "output": { "shape": "Thing" },
            "errors": [{ "shape": "ThingTaken" }],
        }},
        "shapes": {
            "PutThingRequest": { "type": "structure", "required": ["Name"], "members": {
                "Name": { "shape": "String", "location": "uri", "locationName": "Name" },
                "Dry": { "shape": "Boolean", "location": "querystring", "locationName": "dry" },
                "Owner": { "shape": "String", "location": "header", "locationName": "x-owner" },
                "Colours": { "shape": "Strings" },
                "Sizes": { "shape": "Sizes" },
                "Made": { "shape": "Timestamp" },
                "Image": { "shape": "Blob" },
            }},
            "Thing": { "type": "structure", "members": {
                "Revision": { "shape": "String", "location": "header", "locationName": "x-revision" },
                "Colours": { "shape": "Strings" },
                "Sizes": { "shape": "Sizes" },
                "Made": { "shape": "Timestamp" },
                "Image": { "shape": "Blob" },
                "Weight": { "shape": "Double" },
                "Inner": { "shape": "Thing" },
            }},
            "ThingTaken": { "type": "structure", "exception": true, "error": { "code": "Thing.Taken", "httpStatusCode": 409 },
                "members": { "message": { "shape": "String" }, "By": { "shape": "String" } } },
            "String": { "type": "string" }, "Boolean": { "type": "boolean" }, "Timestamp": { "type": "timestamp" },
            "Blob": { "type": "blob" }, "Double": { "type": "double" }, "Long": { "type": "long" },
            "Strings": { "type": "list", "member": { "shape": "String" } },
            "Sizes": { "type": "map", "key": { "shape": "String" }, "value": { "shape": "Long" } },
        },
    });
    Model::parse(&json.to_string()).expect("a model")
}

fn map(entries: &[(&str, Value)]) -> Value {
    Value::Map(
        entries
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
    )
}

fn text(text: &str) -> Value {
    Value::String(text.into())
}

const MADE: i64 = 1_398_796_238_000;

/// The members that travel in the body.
fn body_members() -> Vec<(&'static str, Value)> {
    vec![
        ("Colours", Value::List(vec![text("red & blue"), text("<green>")])),
        (
            "Sizes",
            map(&[("small", Value::Integer(1)), ("große", Value::Integer(i64::MAX))]),
        ),
        ("Made", Value::Integer(MADE)),
        ("Image", Value::Blob(Bytes::from_static(b"\x00\xff"))),
    ]
}

fn thing() -> Value {
    let inner = map(&[("Weight", Value::Float(f64::NEG_INFINITY))]);
    let mut members = vec![("Revision", text("r1"))];
    members.extend(body_members());
    members.extend([("Weight", Value::Float(0.5)), ("Inner", inner)]);
    map(&members)
}

fn decode(protocol: &str, body: &[u8]) -> Value {
    let model = model(protocol);
    let mut headers = HeaderMap::new();
    headers.insert("x-owner", HeaderValue::from_static("me"));
    let labels = [("Name".to_owned(), "a/b".to_owned())];
    let body = Bytes::copy_from_slice(body);
    let request = RoutedRequest {
        labels: &labels,
        query: "dry=true",
        headers: &headers,
        body: &body,
    };
    let operation = model.operation("PutThing").expect("modelled");
    decode_request(&model, operation, model.protocol(), request).expect("a good request")
}

fn bound_members() -> Vec<(&'static str, Value)> {
    vec![("Name", text("a/b")), ("Dry", Value::Bool(true)), ("Owner", text("me"))]
}

const JSON: &str = r#"{"Colours":["red & blue","<green>"],"Sizes":{"small":1,"große":9223372036854775807},"Made":1398796238,"Image":"AP8=""#;

#[test]
fn json_services_take_the_body_as_it_is() {
    assert_eq!(decode("json", format!("{JSON}}}").as_bytes()), map(&body_members()));
}

#[test]
fn rest_services_also_read_path_query_and_headers() {
    let all = [bound_members(), body_members()].concat();
    assert_eq!(
        decode("rest-json", format!("{JSON},\"Unknown\":[{{}}]}}").as_bytes()),
        map(&all)
    );
    let xml = "<?xml version=\"1.0\"?><PutThingRequest xmlns=\"https://things.example/\"><Colours><member>red &amp; blue\
        </member><member><![CDATA[<green>]]></member></Colours><Sizes><entry><key>small</key><value>1</value></entry>\
        <entry><key>gro&#xDF;e</key><value>9223372036854775807</value></entry></Sizes><Made>2014-04-29T18:30:38Z</Made>\
        <Image>AP8=</Image></PutThingRequest>";
    assert_eq!(decode("rest-xml", xml.as_bytes()), map(&all));
}

#[test]
fn query_services_read_dotted_names() {
    let form = "Action=PutThing&Version=2026-11-21&Colours.member.2=%3Cgreen%3E&Colours.member.1=red+%26+blue\
        &Sizes.entry.1.key=small&Sizes.entry.1.value=1&Sizes.entry.2.key=gro%C3%9Fe\
        &Sizes.entry.2.value=9223372036854775807&Made=2014-04-29T18%3A30%3A38Z&Image=AP8%3D";
    assert_eq!(decode("query", form.as_bytes()), map(&body_members()));
    let form = form.replace(".member.", ".").replace(".entry.", ".");
    assert_eq!(decode("ec2", form.as_bytes()), map(&body_members()));
}

fn encode(protocol: &str) -> (u16, HeaderMap, Vec<u8>) {
    let model = model(protocol);
    let operation = model.operation("PutThing").expect("modelled");
    let encoded = encode_response(&model, operation, model.protocol(), &thing(), "id-1");
    (encoded.status, encoded.headers, encoded.body.to_vec())
}

#[test]
fn answers_are_written_as_each_protocol_writes() {
    let (status, headers, body) = encode("rest-json");
    assert_eq!(status, 201);
    assert_eq!(headers["x-revision"], "r1");
    let tail = r#","Weight":0.5,"Inner":{"Weight":"-Infinity"}}"#;
    assert_eq!(String::from_utf8(body), Ok(format!("{JSON}{tail}")));

    let (_, headers, body) = encode("query");
    assert_eq!(headers["content-type"], "text/xml");
    let body = String::from_utf8(body).expect("UTF-8");
    assert!(
        body.starts_with("<PutThingResponse xmlns=\"https://things.example/\"><PutThingResult>"),
        "{body}"
    );
    let colours = "<Colours><member>red &amp; blue</member><member>&lt;green&gt;</member></Colours>";
    assert!(body.contains(colours), "{body}");
    let tail = "<Inner><Weight>-Infinity</Weight></Inner></PutThingResult><ResponseMetadata><RequestId>id-1</RequestId>\
        </ResponseMetadata></PutThingResponse>";
    assert!(body.ends_with(tail), "{body}");
}

#[test]
fn what_is_encoded_reads_back() {
    for protocol in ["json", "smithy-rpc-v2-cbor"] {
        let model = model(protocol);
        let output = model
            .operation("PutThing")
            .and_then(|operation| operation.output.clone())
            .expect("an output");
        let (_, _, body) = encode(protocol);
        assert_eq!(
            decode_value(&model, &output, model.protocol(), &body),
            Ok(thing()),
            "{protocol}"
        );
    }
    let model = model("rest-xml");
    let output = model
        .operation("PutThing")
        .and_then(|operation| operation.output.clone())
        .expect("an output");
    let (_, _, body) = encode("rest-xml");
    let Value::Map(mut members) = thing() else {
        panic!("a map")
    };
    members.retain(|(name, _)| name != "Revision");
    assert_eq!(
        decode_value(&model, &output, model.protocol(), &body),
        Ok(Value::Map(members))
    );
}

#[test]
fn errors_are_written_as_each_protocol_writes() {
    let error = ServiceError::client("ThingTaken", 409, "It's taken").with("By", "you");
    let encode = |protocol: &str| {
        let model = model(protocol);
        let context = ErrorContext {
            model: Some(&model),
            protocol: model.protocol(),
            request_id: "id-1",
            query_mode: true,
        };
        let encoded = context.encode(&error);
        assert_eq!(encoded.status, 409);
        (encoded.headers, String::from_utf8_lossy(&encoded.body).into_owned())
    };
    let (headers, body) = encode("json");
    assert_eq!(
        body,
        r#"{"__type":"com.amazonaws.things#ThingTaken","message":"It's taken","By":"you"}"#
    );
    assert_eq!(headers["x-amzn-query-error"], "Thing.Taken;Sender");
    let (headers, body) = encode("rest-json");
    assert_eq!(body, r#"{"message":"It's taken","By":"you"}"#);
    assert_eq!(headers["x-amzn-errortype"], "ThingTaken");
    let wanted = "<ErrorResponse xmlns=\"https://things.example/\"><Error><Type>Sender</Type><Code>Thing.Taken</Code><Message>\
        It&apos;s taken</Message><By>you</By></Error><RequestId>id-1</RequestId></ErrorResponse>";
    assert_eq!(encode("query").1, wanted);
    assert_eq!(encode("rest-xml").1, wanted);
    let wanted = "<Response><Errors><Error><Code>Thing.Taken</Code><Message>It&apos;s taken</Message><By>you</By></Error></Errors>\
        <RequestID>id-1</RequestID></Response>";
    assert_eq!(encode("ec2").1, wanted);
    let (headers, _) = encode("smithy-rpc-v2-cbor");
    assert_eq!(headers["smithy-protocol"], "rpc-v2-cbor");
}

#[test]
fn an_error_of_no_known_service_is_written_too() {
    let error = ServiceError {
        fault: Fault::Server,
        ..ServiceError::client("Other", 503, "later")
    };
    let protocol = danbi_wire::protocol::Protocol::Query;
    let encoded = ErrorContext {
        model: None,
        protocol,
        request_id: "id-1",
        query_mode: false,
    }
    .encode(&error);
    let wanted = "<ErrorResponse><Error><Type>Receiver</Type><Code>Other</Code><Message>later</Message></Error>\
        <RequestId>id-1</RequestId></ErrorResponse>";
    assert_eq!((encoded.status, encoded.body.as_ref()), (503, wanted.as_bytes()));
}
