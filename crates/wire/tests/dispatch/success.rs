use super::{logs, request, send, sign};

#[tokio::test]
async fn every_answer_bears_a_request_id_and_a_date() {
    let answer = send(sign(logs("CreateLogGroup", r#"{"logGroupName":"g"}"#), "logs")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-amzn-requestid").len(), 36);
    assert_eq!(answer.header("date"), "Sat, 21 Nov 2026 12:00:00 GMT");
    assert_eq!(answer.header("content-type"), "application/x-amz-json-1.1");
}

#[tokio::test]
async fn a_payload_travels_beside_its_headers() {
    let uri = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-central-1%3A000000000000%3Afunction%3Af/invocations";
    let answer = send(sign(request("POST", uri, &[], "{\"a\":1}"), "lambda")).await;
    assert_eq!((answer.status, answer.text()), (202, "{\"a\":1}"));
    assert_eq!(answer.header("x-amz-executed-version"), "$LATEST");
    assert_eq!(answer.header("x-amz-function-error"), "");
}

#[tokio::test]
async fn query_services_answer_in_xml() {
    let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let body = "Action=GetCallerIdentity&Version=2011-06-15";
    let answer = send(sign(request("POST", "/", &headers, body), "sts")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "text/xml");
    let id = answer.header("x-amzn-requestid").to_owned();
    assert_eq!(
        answer.text(),
        format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <UserId>000000000000</UserId><Account>000000000000</Account><Arn>arn:aws:iam::000000000000:root</Arn>\
             </GetCallerIdentityResult><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>\
             </GetCallerIdentityResponse>"
        )
    );
    let answer = send(sign(request("GET", &format!("/?{body}"), &[], ""), "sts")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

type Headers = Vec<(String, String)>;

/// The headers and payload of each frame.
fn frames(mut bytes: &[u8]) -> Vec<(Headers, Vec<u8>)> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
        let (total, header_length) = (word(0), word(4));
        assert_eq!(word(8) as u32, crc32fast::hash(&bytes[..8]));
        assert_eq!(word(total - 4) as u32, crc32fast::hash(&bytes[..total - 4]));
        let mut rest = &bytes[12..12 + header_length];
        let mut headers = Vec::new();
        while let [length, tail @ ..] = rest {
            let (name, tail) = tail.split_at(usize::from(*length));
            assert_eq!(tail[0], 7);
            let length = usize::from(u16::from_be_bytes([tail[1], tail[2]]));
            let (value, tail) = tail[3..].split_at(length);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
            headers.push((text(name), text(value)));
            rest = tail;
        }
        out.push((headers, bytes[12 + header_length..total - 4].to_vec()));
        bytes = &bytes[total..];
    }
    out
}

#[tokio::test]
async fn events_leave_as_frames_and_an_error_ends_them() {
    let uri = "/2021-11-15/functions/f/response-streaming-invocations";
    let answer = send(sign(request("POST", uri, &[], ""), "lambda")).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("content-type"), "application/vnd.amazon.eventstream");
    let events = frames(&answer.body);
    assert_eq!(events[0].1, b"hello");
    assert!(events[0].0.contains(&(":event-type".into(), "PayloadChunk".into())));
    assert!(
        events[0]
            .0
            .contains(&(":content-type".into(), "application/octet-stream".into()))
    );
    assert!(events[1].0.contains(&(":event-type".into(), "InvokeComplete".into())));
    assert_eq!((events.len(), events[1].1.as_slice()), (2, b"{}".as_slice()));

    let uri = "/2021-11-15/functions/breaks/response-streaming-invocations";
    let events = frames(&send(sign(request("POST", uri, &[], ""), "lambda")).await.body);
    assert_eq!(events.len(), 2);
    assert!(events[1].0.contains(&(":error-code".into(), "ServiceException".into())));
    assert!(events[1].0.contains(&(":error-message".into(), "it broke".into())));
}
