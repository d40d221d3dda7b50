//! Name resolution inside a sandbox. It has no name server of its own: what it asks on `127.0.0.1:53` is handed to the
//! host's servers, but names of databases are the platform's, and those under `amazonaws.com` when it serves TLS there.

use crate::options::{PlatformDoor, serves_tls};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// The largest message over UDP that is carried.
const MAX_MESSAGE: usize = 4096;
/// How long one server may take; resolvers ask again by themselves after 5 s.
const SERVER_LIMIT: Duration = Duration::from_secs(2);
/// Questions of one sandbox under way at once; more are dropped, as a busy server drops them.
const MAX_QUESTIONS: usize = 64;
/// How long an answer about the platform's own names may be kept, seconds.
const TTL: u32 = 60;

/// Answers questions until dropped.
pub(crate) async fn serve(socket: UdpSocket, door: Option<Arc<dyn PlatformDoor>>) {
    let socket = Arc::new(socket);
    let servers: Arc<[SocketAddr]> =
        host_servers(&tokio::fs::read_to_string("/etc/resolv.conf").await.unwrap_or_default());
    let mut questions = JoinSet::new();
    let mut buffer = [0_u8; MAX_MESSAGE];
    loop {
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                // An ICMP error of an earlier answer; the next question is received as usual.
                let Ok((length, from)) = received else { continue };
                let question = &buffer[..length];
                if let Some(door) = &door
                    && let Some(answer) = own_answer(question, &**door)
                {
                    let _ = socket.send_to(&answer, from).await;
                } else if questions.len() < MAX_QUESTIONS {
                    questions.spawn(relay(question.to_vec(), from, socket.clone(), servers.clone()));
                }
            }
            Some(_) = questions.join_next() => {}
        }
    }
}

/// Asks one server after the other. Without an answer the resolver inside runs into its own time-out.
async fn relay(question: Vec<u8>, from: SocketAddr, inside: Arc<UdpSocket>, servers: Arc<[SocketAddr]>) {
    let mut answer = [0_u8; MAX_MESSAGE];
    for server in servers.iter() {
        let local: SocketAddr = if server.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let asked = async {
            let outside = UdpSocket::bind(local).await?;
            outside.connect(server).await?;
            outside.send(&question).await?;
            loop {
                let length = outside.recv(&mut answer).await?;
                // Only the answer to this very question.
                if length >= 12 && question.get(..2) == answer.get(..2) {
                    return std::io::Result::Ok(length);
                }
            }
        };
        if let Ok(Ok(length)) = tokio::time::timeout(SERVER_LIMIT, asked).await {
            let _ = inside.send_to(&answer[..length], from).await;
            return;
        }
    }
}

fn host_servers(resolv_conf: &str) -> Arc<[SocketAddr]> {
    resolv_conf
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter_map(|rest| rest.trim().parse::<IpAddr>().ok())
        .map(|address| SocketAddr::new(address, 53))
        .collect()
}

/// The answer to a question about a database's name, or one under `amazonaws.com` where the platform serves TLS:
/// loopback for A, nothing for other types.
fn own_answer(question: &[u8], door: &dyn PlatformDoor) -> Option<Vec<u8>> {
    let header = question.get(..12)?;
    if header[4..6] != [0, 1] || header[2] & 0x80 != 0 {
        return None;
    }
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        if length > 63 {
            return None;
        }
        labels.push(question.get(at..at + length)?.to_ascii_lowercase());
        at += length;
    }
    let tail: Vec<&[u8]> = labels.iter().rev().take(2).map(Vec::as_slice).collect();
    let is_amazons = tail == [b"com".as_slice(), b"amazonaws"];
    if !is_amazons && tail.first() != Some(&b"localhost".as_slice()) {
        return None;
    }
    let name = String::from_utf8_lossy(&labels.join(&b'.')).into_owned();
    let address = match door.database_address(&name) {
        Some(address) => address,
        None if is_amazons && serves_tls(Some(door)) => Ipv4Addr::LOCALHOST,
        None => return None,
    };
    let kind = question.get(at..at + 2)?;
    let end = at + 4;
    let is_address = kind == [0, 1];
    let mut answer = question.get(..end)?.to_vec();
    // A response, recursion available, no error; one question, the answers, nothing else.
    answer[2] = 0x80 | (header[2] & 0x01);
    answer[3] = 0x80;
    answer[6..12].copy_from_slice(&[0, u8::from(is_address), 0, 0, 0, 0]);
    if is_address {
        // The name of the question, type A, class IN.
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1]);
        answer.extend_from_slice(&TTL.to_be_bytes());
        answer.extend_from_slice(&[0, 4]);
        answer.extend_from_slice(&address.octets());
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A platform that serves TLS and has one database.
    struct Here;

    impl PlatformDoor for Here {
        fn accept(&self, _: tokio::net::TcpStream, _: &str) {}

        fn certificates(&self) -> Option<&str> {
            Some("")
        }

        fn database_address(&self, name: &str) -> Option<Ipv4Addr> {
            name.starts_with("todo.").then_some(Ipv4Addr::new(127, 64, 0, 7))
        }
    }

    fn question(name: &str, kind: u8) -> Vec<u8> {
        let mut message = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend_from_slice(label.as_bytes());
        }
        message.extend_from_slice(&[0, 0, kind, 0, 1]);
        message
    }

    #[test]
    fn amazons_names_are_the_platforms_and_no_others() {
        let answer = own_answer(&question("s3.EU-west-1.amazonaws.COM", 1), &Here).unwrap();
        assert_eq!(answer[..4], [7, 7, 0x81, 0x80]);
        assert_eq!(answer[6..8], [0, 1]);
        assert!(answer.ends_with(&[127, 0, 0, 1]));
        let answer = own_answer(&question("s3.amazonaws.com", 28), &Here).unwrap();
        assert_eq!(answer[6..8], [0, 0], "there is no IPv6 address");
        for database in ["todo.c1.us-east-1.rds.amazonaws.com", "todo.c1.us-east-1.rds.localhost"] {
            let answer = own_answer(&question(database, 1), &Here).unwrap();
            assert!(answer.ends_with(&[127, 64, 0, 7]));
        }
        for other in [
            "example.com",
            "amazonaws.com.example.org",
            "notamazonaws.com",
            "x.localhost",
        ] {
            assert!(own_answer(&question(other, 1), &Here).is_none(), "{other}");
        }
    }

    #[test]
    fn broken_questions_are_left_to_the_servers() {
        let whole = question("s3.amazonaws.com", 1);
        for length in 0..whole.len() - 2 {
            assert!(own_answer(&whole[..length], &Here).is_none());
        }
    }

    #[test]
    fn the_hosts_servers_are_read() {
        let servers = host_servers("# x\nnameserver 10.0.0.2\nsearch a\nnameserver ::1\nnameserver bad\n");
        assert_eq!(
            servers.as_ref(),
            ["10.0.0.2:53".parse().unwrap(), "[::1]:53".parse().unwrap()]
        );
    }

    #[tokio::test]
    async fn a_question_is_answered_on_the_socket() {
        let inside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = inside.local_addr().unwrap();
        let server = tokio::spawn(serve(inside, Some(Arc::new(Here))));
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client
            .send_to(&question("lambda.us-east-1.amazonaws.com", 1), address)
            .await
            .unwrap();
        let mut answer = [0; 512];
        let length = client.recv(&mut answer).await.unwrap();
        assert!(answer[..length].ends_with(&[127, 0, 0, 1]));
        server.abort();
    }
}
