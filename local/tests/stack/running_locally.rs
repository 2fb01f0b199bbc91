//! `cargo run`: the command itself, started as a developer starts it.

use std::path::Path;
use std::process::{Command, Stdio};

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::ChildStdout;

use crate::support::{ANNA, Browser, ROMASHKA};

/// A running command that is killed when the test ends early.
struct Running {
    child: tokio::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
    product: String,
    greeting: String,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command.args(arguments).stderr(Stdio::null());
    command
}

async fn start(arguments: &[&str]) -> Running {
    try_start(arguments).await.unwrap_or_else(|said| panic!("the stack said no more: {said}"))
}

/// A running stack, or what it said before it gave up.
async fn try_start(arguments: &[&str]) -> Result<Running, String> {
    let mut command = tokio::process::Command::from(command(arguments));
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut greeting = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(product) = line.strip_prefix("ready ") {
            return Ok(Running { child, lines, product: product.to_owned(), greeting });
        }
        greeting.push_str(&line);
        greeting.push('\n');
    }
    assert!(!child.wait().await.unwrap().success());
    Err(greeting)
}

impl Running {
    /// Ctrl-C.
    async fn interrupt(mut self) -> (std::process::ExitStatus, String) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let last = self.lines.next_line().await.unwrap().unwrap_or_default();
        (self.child.wait().await.unwrap(), last)
    }

    async fn signed_in(&self) -> Browser {
        let browser = Browser::new(&self.product);
        let sign_in = browser.open(&format!("{}/login", self.product)).await;
        browser.submit(sign_in.form("/authorize").with("person", ROMASHKA)).await;
        browser
    }
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

#[tokio::test]
async fn it_says_where_everything_is_and_stops_when_interrupted() {
    let running = start(&["--port", "0", "--memory"]).await;
    for part in
        ["product", "simulated VK", "/control", "sign-in", "AWS endpoint", "Мария Орлова", "data", "Ctrl-C"]
    {
        assert!(running.greeting.contains(part), "{part}: {}", running.greeting);
    }
    assert!(running.product.starts_with("http://localhost:"));
    let (status, last) = running.interrupt().await;
    assert!(status.success());
    assert_eq!(last, "stopped");
}

#[tokio::test]
async fn it_keeps_its_data_from_one_run_to_the_next() {
    let folder = folder("keeps-its-data");
    let arguments = ["--port", "0", "--data", folder.to_str().unwrap()];
    let running = start(&arguments).await;
    let browser = running.signed_in().await;
    let consent = browser.follow(&format!("{}/vk/connect", running.product)).await;
    let form = consent.form("/authorize").with("account", &ANNA.to_string()).with("decision", "allow");
    assert!(browser.submit(form).await.text().contains("Анна Смирнова"));
    running.interrupt().await;

    let running = start(&arguments).await;
    let browser = running.signed_in().await;
    let page = browser.open(&format!("{}/connections", running.product)).await;
    assert!(page.text().contains("Анна Смирнова") && page.text().contains("Подключено"));
    // VK remembers the token, too: a check still finds it alive.
    let control = running.greeting.split_whitespace().find(|word| word.ends_with("/control")).unwrap();
    let controls = browser.open(control).await;
    let found = browser.submit(controls.form("/control/sweep")).await;
    assert!(found.text().contains("\"alive\": 1"), "{}", found.text());
    running.interrupt().await;
}

#[tokio::test]
async fn a_second_stack_keeps_out_of_the_first_ones_data() {
    let folder = folder("in-use");
    let arguments = ["--port", "0", "--data", folder.to_str().unwrap()];
    let running = start(&arguments).await;
    let said = try_start(&arguments).await.err().unwrap();
    assert!(said.contains("is in use by another stack") && said.contains("--data"), "{said}");
    running.interrupt().await;
    start(&arguments).await.interrupt().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named() {
    let file = folder("not-a-folder");
    std::fs::write(&file, "").unwrap();
    let said = try_start(&["--port", "0", "--data", file.to_str().unwrap()]).await.err().unwrap();
    assert!(said.contains("not-a-folder") && said.contains("--memory"), "{said}");
}

#[tokio::test]
async fn its_secrets_are_readable_only_by_their_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder("secrets");
    start(&["--port", "0", "--data", folder.to_str().unwrap()]).await.interrupt().await;
    let mode = std::fs::metadata(folder.join("secrets.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_taken_port_is_named_with_a_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = try_start(&["--port", &port, "--memory"]).await.err().unwrap();
    assert!(said.contains(&format!("port {port} is taken")) && said.contains("--port"), "{said}");
}

#[tokio::test]
async fn the_command_explains_its_flags() {
    let output = command(&["--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for flag in ["cargo run --", "--port", "--memory", "--data"] {
        assert!(help.contains(flag), "{help}");
    }
}
