//! The VK client, against peers that follow no rules. What it makes of VK's own answers is in the
//! journeys and sweeps.

use std::future::Future;
use std::time::Duration;

use axum::http::StatusCode;
use evosync_connections::config::Env;
use evosync_connections::domain::secret::AccessToken;
use evosync_connections::domain::{ErrorCode, Liveness, OfflineReason, TokenSet, Unknown};
use evosync_connections::http_client::Limits;
use evosync_connections::providers::{Renewal, Revoked, Subject, vk};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{VkCaller, VkHost};

const OK: &str = r#"{"response":[{"id":42,"first_name":"A","last_name":"B"}]}"#;

/// What VK's check makes of an API at an address.
async fn liveness(api_url: &str, limits: Limits) -> Liveness {
    let env = Env::of_map([("VK_API_URL".to_owned(), api_url.to_owned())].into());
    let tokens = TokenSet::of_access(AccessToken::new("token"));
    vk::check_within(&env, limits)
        .unwrap()
        .check(Subject { tokens, account_id: "42".to_owned(), scopes: None })
        .await
        .liveness
}

/// What the client makes of a peer that does as it likes with each connection.
async fn verdict_on<F, Fut>(limits: Limits, peer: F) -> Liveness
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            peer(stream).await;
        }
    });
    let liveness = liveness(&url, limits).await;
    server.abort();
    liveness
}

/// What the client makes of bytes.
async fn verdict_on_bytes(answer: impl Into<Vec<u8>>) -> Liveness {
    let answer = answer.into();
    verdict_on(Limits::default(), move |mut stream| {
        let answer = answer.clone();
        async move {
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

#[tokio::test]
async fn a_sound_answer_is_alive_whatever_its_decoration() {
    assert_eq!(verdict_on_bytes(http("200 OK", "", OK)).await, Liveness::Alive);
    let extra = r#"{"response":[{"id":42,"unknown":[1,{}]}],"more":null}"#;
    assert_eq!(
        verdict_on_bytes(http("200 OK", "Content-Type: text/plain\r\n", extra)).await,
        Liveness::Alive
    );
    let nameless = r#"{"response":[{"id":42,"first_name":null}]}"#;
    assert_eq!(verdict_on_bytes(http("200 OK", "", nameless)).await, Liveness::Alive);
}

#[tokio::test]
async fn calls_to_vk_have_a_user_agent_and_accept_json() {
    let (said, heard) = std::sync::mpsc::channel();
    let verdict = verdict_on(Limits::default(), move |mut stream| {
        let said = said.clone();
        async move {
            let mut request = vec![0; 4_096];
            let length = stream.read(&mut request).await.unwrap();
            said.send(String::from_utf8_lossy(&request[..length]).to_lowercase()).unwrap();
            let _ = stream.write_all(http("200 OK", "", OK).as_bytes()).await;
        }
    });
    assert_eq!(verdict.await, Liveness::Alive);
    let request = heard.recv().unwrap();
    assert!(request.contains("\r\nuser-agent: evosync-connections/"), "no User-Agent");
    assert!(request.contains("\r\naccept: application/json\r\n"), "no Accept");
}

#[tokio::test]
async fn a_deactivated_owner_is_an_unavailable_account() {
    let body = r#"{"response":[{"id":42,"first_name":"DELETED","deactivated":"deleted"}]}"#;
    let expected = Liveness::Dead(OfflineReason::AccountUnavailable);
    assert_eq!(verdict_on_bytes(http("200 OK", "", body)).await, expected);
}

#[tokio::test]
async fn answers_that_name_nobody_or_somebody_else_prove_nothing() {
    let bodies = [
        r#"{"response":[]}"#,
        r#"{"response":[{"id":42},{"id":43}]}"#,
        r#"{"response":[{"id":43}]}"#,
        r#"{"response":{"id":42}}"#,
        r#"{"response":[{"first_name":"A"}]}"#,
        r#"{"response":[{"id":"42"}]}"#,
        r#"{"response":[null]}"#,
        r#"{"response":null}"#,
        "{}",
    ];
    for body in bodies {
        let verdict = verdict_on_bytes(http("200 OK", "", body)).await;
        assert_eq!(verdict, Liveness::Unknown(Unknown::Inconclusive), "{body}");
    }
}

#[tokio::test]
async fn outages_are_passing_faults_whatever_the_body_says() {
    for status in [
        "408 Request Timeout",
        "429 Too Many Requests",
        "500 Oops",
        "502 Bad Gateway",
        "503 Later",
        "504 Timeout",
    ] {
        for body in ["<h1>502</h1>", OK, r#"{"error":{"error_code":5,"error_msg":"x"}}"#] {
            let verdict = verdict_on_bytes(http(status, "", body)).await;
            assert_eq!(verdict, Liveness::Unknown(Unknown::Transient), "{status} {body}");
        }
    }
}

#[tokio::test]
async fn an_error_counts_whatever_the_status() {
    let body = r#"{"error":{"error_code":5,"error_msg":"User authorization failed"}}"#;
    for status in ["200 OK", "401 Unauthorized", "403 Forbidden"] {
        let verdict = verdict_on_bytes(http(status, "", body)).await;
        assert_eq!(verdict, Liveness::Dead(OfflineReason::TokenRejected), "{status}");
    }
}

#[tokio::test]
async fn an_anti_bot_page_proves_nothing() {
    let answer = http("200 OK", "X-Challenge: required\r\n", "<html>");
    assert_eq!(verdict_on_bytes(answer).await, Liveness::Unknown(Unknown::Inconclusive));
}

#[tokio::test]
async fn what_is_not_json_is_a_passing_fault() {
    let bodies: [&[u8]; 6] = [b"", b"<html>", b"{", b"\xFF\xFE", b"null,", b"[[[[[[[["];
    for body in bodies {
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend_from_slice(body);
        let verdict = verdict_on_bytes(answer).await;
        assert_eq!(verdict, Liveness::Unknown(Unknown::Transient), "{}", String::from_utf8_lossy(body));
    }
}

#[tokio::test]
async fn deep_nesting_and_large_answers_are_bounded() {
    let deep = format!(r#"{{"response":{}"#, "[".repeat(60_000));
    assert_eq!(verdict_on_bytes(http("200 OK", "", &deep)).await, Liveness::Unknown(Unknown::Transient));
    let large = http("200 OK", "", &format!("{OK}{}", " ".repeat(100_000)));
    assert_eq!(verdict_on_bytes(large).await, Liveness::Unknown(Unknown::Transient));
}

#[tokio::test]
async fn peers_that_are_no_http_are_passing_faults() {
    let answers: [&[u8]; 4] =
        [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b"\x00"];
    for answer in answers {
        assert_eq!(verdict_on_bytes(answer).await, Liveness::Unknown(Unknown::Transient));
    }
}

#[tokio::test]
async fn a_peer_that_stalls_is_given_up() {
    let brief = Limits { total: Duration::from_millis(100), ..Limits::default() };
    let verdict = verdict_on(brief, |stream| async move {
        let _stalled = stream;
        std::future::pending::<()>().await;
    });
    assert_eq!(verdict.await, Liveness::Unknown(Unknown::Transient));
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_a_passing_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for url in [url.as_str(), "https://no-such-host.invalid"] {
        assert_eq!(liveness(url, Limits::default()).await, Liveness::Unknown(Unknown::Transient), "{url}");
    }
}

/// One redirect of each kind; 307 and 308 would repeat a form as it is.
const REDIRECTS: [StatusCode; 5] = [
    StatusCode::MOVED_PERMANENTLY,
    StatusCode::FOUND,
    StatusCode::SEE_OTHER,
    StatusCode::TEMPORARY_REDIRECT,
    StatusCode::PERMANENT_REDIRECT,
];

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = VkHost::start().await;
    for status in REDIRECTS {
        let vk = VkHost::redirecting(status, &elsewhere).await;
        let caller = VkCaller::of(&vk.url).await;
        assert_eq!(caller.check().await, Liveness::Unknown(Unknown::Transient), "{status}");
        for flow in ["classic", "vk_id"] {
            let refusal = caller.redeem(flow).await.unwrap_err();
            assert_eq!(refusal.code, ErrorCode::ProviderUnavailable, "{status}, {flow}");
        }
        let renewal = caller.renew().await;
        assert!(matches!(renewal, Renewal::Lost(_)), "{status}: {renewal:?}");
        caller.log_out().await;
        for extent in ["logout", "grant"] {
            assert!(matches!(caller.revoke(extent).await, Revoked::Transient(_)), "{status}, {extent}");
        }
        let by_query = caller.with("VK_TOKEN_METHOD", "get");
        assert_eq!(by_query.redeem("classic").await.unwrap_err().code, ErrorCode::ProviderUnavailable);

        let asked = [
            "/method/users.get",
            "/access_token",
            "/oauth2/auth",
            "/oauth2/auth",
            "/oauth2/logout",
            "/oauth2/logout",
            "/oauth2/revoke",
            "/access_token",
        ];
        assert_eq!(vk.take_heard(), asked, "{status}");
        assert!(elsewhere.take_heard().is_empty(), "{status}: a secret has travelled on");
    }
}

#[tokio::test]
async fn every_call_goes_to_the_configured_hosts() {
    let (oauth, vk_id, api) = (VkHost::start().await, VkHost::start().await, VkHost::start().await);
    let caller = VkCaller::of(&vk_id.url).await;
    let caller = caller.with("VK_TOKEN_URL", &format!("{}/access_token", oauth.url));
    let caller = caller.with("VK_API_URL", &format!("{}/method", api.url));
    assert_eq!(caller.check().await, Liveness::Alive);
    caller.redeem("classic").await.unwrap();
    caller.redeem("vk_id").await.unwrap();
    assert!(matches!(caller.renew().await, Renewal::Renewed(_)));
    assert_eq!(caller.revoke("grant").await, Revoked::Ended);
    assert_eq!(oauth.take_heard(), ["/access_token"]);
    assert_eq!(vk_id.take_heard(), ["/oauth2/auth", "/oauth2/auth", "/oauth2/revoke"]);
    assert!(api.take_heard().iter().all(|path| path.starts_with("/method/")));
}
