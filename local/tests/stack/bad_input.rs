//! Requests nobody's browser sends: each gets a clear page with the right status, and nothing is
//! lost.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::TestStack;

/// Sends bytes as they are, and reads whatever comes back.
async fn raw(test: &TestStack, request: &[u8]) -> String {
    let address = test.stack.base_url().replace("http://localhost", "127.0.0.1");
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The gateway may answer, and hang up, before it has read all of a large request.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn parameters_that_cannot_be_read_in_one_way_get_a_400_page() {
    let (_test, merchant) = TestStack::signed_in().await;
    for query in ["error=a&error=b", "error=%FF", "error=%C3%28", &format!("error={}", "a".repeat(5_000))] {
        let page = merchant.open(&format!("/vk?{query}")).await;
        assert_eq!(page.status, 400);
        assert!(page.text().contains("Не удалось открыть страницу"));
    }
}

#[tokio::test]
async fn a_parameter_nobody_reads_spoils_no_page() {
    let (test, merchant) = TestStack::signed_in().await;
    let long = format!("fbclid={}", "a".repeat(5_000));
    for query in ["utm_source=%CF%F0", "a=1&a=2", "%FF", "&&=&", long.as_str()] {
        for path in ["/", "/connections", "/vk", "/login"] {
            let page = merchant.browser.follow(&test.url(&format!("{path}?{query}"))).await;
            assert_eq!(page.status, 200, "{path} {query}");
        }
        let page = merchant.open(&format!("/vk?{query}&error=access_denied")).await;
        assert!(page.text().contains("Доступ не разрешён"), "{query}");
    }
}

#[tokio::test]
async fn a_form_field_nobody_reads_spoils_no_form() {
    let (_test, merchant) = TestStack::connected().await;
    let form = merchant.open("/vk").await.form("/vk/disconnect").with("extra", "\u{fffd}");
    assert_eq!(merchant.browser.submit(form).await.path(), "/vk");
}

#[tokio::test]
async fn an_unknown_error_code_gets_general_words() {
    let (_test, merchant) = TestStack::signed_in().await;
    for code in ["zzz", "<script>alert(1)</script>", "", "INVALID_STATE", "%00"] {
        let page = merchant.open(&format!("/vk?error={code}")).await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains("Не удалось подключить аккаунт"));
        assert!(!page.body.contains("alert(1)"));
    }
}

#[tokio::test]
async fn forged_cookies_are_no_session() {
    let test = TestStack::start().await;
    let forged = ["", ".", "a.b", "%00", "ZGVtbw.", &"A".repeat(4_000), "ZGVtbw.AAAA", "\"quoted\""];
    for cookie in forged {
        let browser = test.browser();
        browser.set_cookie("session", cookie);
        for path in ["/connections", "/vk", "/vk/connect"] {
            let page = browser.open_without_following(&test.url(path)).await;
            assert_eq!((page.status.as_u16(), page.header("location")), (303, "/login"), "{cookie} {path}");
        }
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_get_the_404_page() {
    let test = TestStack::start().await;
    let paths = [
        "/vk/",
        "/VK",
        "//evil.example",
        "/assets/",
        "/assets/a/b",
        "/..%2f..%2fetc/passwd",
        "/%FF",
        "/vk;x",
    ];
    for path in paths {
        let answer =
            raw(&test, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())
                .await;
        assert_eq!(status(&answer), "404", "{path}");
        assert!(answer.contains("Страница не найдена"), "{path}");
    }
    for method in ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let request = format!("{method} /vk/disconnect HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&raw(&test, request.as_bytes()).await), "404", "{method}");
    }
}

#[tokio::test]
async fn odd_hosts_and_queries_are_answered_all_the_same() {
    let test = TestStack::start().await;
    for host in ["a:99999", "[::1", "a b", "%", "evil.example/path?x"] {
        let request = format!("GET /vk HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&raw(&test, request.as_bytes()).await), "303", "{host}");
    }
    for query in ["{}", "a|b", "^`", "%", "%zz", "a[]=1"] {
        let request = format!("GET /connections?{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&raw(&test, request.as_bytes()).await), "303", "{query}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_refused_by_the_gateway() {
    let test = TestStack::start().await;
    for request in [
        &b"GET /vk\xFF HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"GET /vk?\" HTTP/1.1\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
    ] {
        assert_eq!(status(&raw(&test, request).await), "400");
    }
}

#[tokio::test]
async fn a_body_of_megabytes_is_refused_and_changes_nothing() {
    let (_test, merchant) = TestStack::connected().await;
    let form = merchant.open("/vk").await.form("/vk/disconnect");
    let page = merchant.browser.submit(form.with("filler", &"a".repeat(5_000_000))).await;
    assert_eq!(page.status, 413);
    assert!(page.text().contains("Отправлено слишком много данных"));
    assert!(merchant.dashboard().await.contains("Подключено"));
}

#[tokio::test]
async fn more_than_api_gateway_takes_never_reaches_a_function() {
    let test = TestStack::start().await;
    let head = "POST /vk/disconnect HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    let mut request = format!("{head}Content-Length: 11000000\r\n\r\n").into_bytes();
    request.extend(vec![b'a'; 11_000_000]);
    assert_eq!(status(&raw(&test, &request).await), "413");
    let request = format!("{head}X-Filler: {}\r\n\r\n", "a".repeat(11_000));
    assert_eq!(status(&raw(&test, request.as_bytes()).await), "431");
}
