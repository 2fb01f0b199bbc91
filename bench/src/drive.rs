//! A Lambda Runtime API for one process at a time ("Using the Lambda runtime API" in Lambda's developer guide): starts
//! the process, hands it events one after the other, and prints what each cost.
//!
//! Processor time is the process's own clock, all threads that ever were included. What a function does between
//! its answer and its next question belongs to the invocation.

use std::convert::Infallible;
use std::error::Error;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use evosync_connections::platform::Clock;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Starts a function, hands it events, and prints what each cost
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A file with a JSON array of events, which are handed out in turn
    #[arg(long)]
    events: PathBuf,
    /// How many are handed out
    #[arg(long, default_value_t = 1)]
    invocations: usize,
    /// The address of a stub's counters, which are read after the start, after the first invocation and at the end
    #[arg(long)]
    counts: Option<String>,
    /// How long an invocation may take, in seconds
    #[arg(long, default_value_t = 25)]
    deadline: u64,
    /// The process
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// What the process has just done.
enum Step {
    /// Asked for an event.
    Asked,
    /// Answered one.
    Answered(Bytes),
    /// Said that it cannot go on.
    Failed(String),
}

/// A moment on both clocks.
#[derive(Clone, Copy)]
struct Moment {
    wall: Instant,
    cpu: Duration,
}

type Answer = Response<Full<Bytes>>;

/// Where the process's questions wait for events.
struct Desk {
    steps: mpsc::UnboundedSender<(Moment, Step)>,
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Value>>,
    process: Mutex<Option<ClockId>>,
    deadline: u64,
    clock: Clock,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let events: Vec<Value> = serde_json::from_slice(&std::fs::read(&arguments.events)?)?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let (steps, mut taken) = mpsc::unbounded_channel();
    let (give, given) = mpsc::unbounded_channel();
    let desk = Arc::new(Desk {
        steps,
        events: tokio::sync::Mutex::new(given),
        process: Mutex::default(),
        deadline: arguments.deadline,
        clock: Clock::system(),
    });
    let mut command = Command::new(&arguments.command[0]);
    command
        .args(&arguments.command[1..])
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .stdout(std::process::Stdio::null());
    let started = Moment { wall: Instant::now(), cpu: Duration::ZERO };
    let mut process = Running(command.spawn()?);
    let pid = Pid::from_raw(i32::try_from(process.0.id())?);
    *desk.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock_getcpuclockid(pid)?);
    tokio::spawn(serve(listener, Arc::clone(&desk)));

    let mut measured = Measured::default();
    let mut last = started;
    let booted = step(&mut taken, &mut process.0).await?;
    measured.init = spent(started, booted.0);
    measured.counts.push(counts(arguments.counts.as_deref()).await?);
    last.cpu = booted.0.cpu;
    for (index, event) in events.iter().cycle().take(arguments.invocations).enumerate() {
        let sent = Instant::now();
        give.send(event.clone())?;
        let (answered, answer) = step(&mut taken, &mut process.0).await?;
        let Step::Answered(answer) = answer else { return Err("it asked twice".into()) };
        let (asked, _) = step(&mut taken, &mut process.0).await?;
        measured.invocations.push((answered.wall.duration_since(sent), asked.cpu.saturating_sub(last.cpu)));
        measured.answers.get_or_insert(serde_json::from_slice(&answer).unwrap_or_default());
        if index == 0 {
            measured.counts.push(counts(arguments.counts.as_deref()).await?);
        }
        last = asked;
    }
    measured.counts.push(counts(arguments.counts.as_deref()).await?);
    measured.peak_kb = peak_kb(pid)?;
    kill(pid, Signal::SIGTERM)?;
    process.0.wait()?;
    crate::say(&measured.to_json().to_string());
    Ok(())
}

/// A process that does not outlive its driver.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or it failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Default)]
struct Measured {
    init: (Duration, Duration),
    invocations: Vec<(Duration, Duration)>,
    counts: Vec<Value>,
    answers: Option<Value>,
    peak_kb: u64,
}

impl Measured {
    fn to_json(&self) -> Value {
        let micros = |duration: &Duration| duration.as_secs_f64() * 1e6;
        json!({
            "init_us": micros(&self.init.0),
            "init_cpu_us": micros(&self.init.1),
            "wall_us": self.invocations.iter().map(|(wall, _)| micros(wall)).collect::<Vec<_>>(),
            "cpu_us": self.invocations.iter().map(|(_, cpu)| micros(cpu)).collect::<Vec<_>>(),
            "peak_kb": self.peak_kb,
            "counts": self.counts,
            "answer": self.answers,
        })
    }
}

fn spent(from: Moment, to: Moment) -> (Duration, Duration) {
    (to.wall.duration_since(from.wall), to.cpu.saturating_sub(from.cpu))
}

/// The next step. Fails where the process ends, or says that it cannot go on.
async fn step(
    steps: &mut mpsc::UnboundedReceiver<(Moment, Step)>,
    process: &mut Child,
) -> Result<(Moment, Step), Box<dyn Error>> {
    loop {
        match tokio::time::timeout(Duration::from_secs(1), steps.recv()).await {
            Ok(Some((_, Step::Failed(reason)))) => return Err(reason.into()),
            Ok(Some(step)) => return Ok(step),
            Ok(None) => return Err("nobody serves".into()),
            Err(_) => {
                if let Some(status) = process.try_wait()? {
                    return Err(format!("it ended with {status}").into());
                }
            }
        }
    }
}

async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    while let Ok((stream, _)) = listener.accept().await {
        let desk = Arc::clone(&desk);
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let desk = Arc::clone(&desk);
                async move { Ok::<_, Infallible>(desk.answer(request).await) }
            });
            // A connection that breaks is the process's end, which is noticed elsewhere.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

impl Desk {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (moment, path) = (self.moment(), request.uri().path().to_owned());
        if path.ends_with("/invocation/next") {
            let _ = self.steps.send((moment, Step::Asked));
            return match self.events.lock().await.recv().await {
                Some(event) => self.event(&event),
                None => Response::default(),
            };
        }
        let body =
            request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let moment = if path.ends_with("/response") { self.moment() } else { moment };
        let step = if path.ends_with("/response") {
            Step::Answered(body)
        } else {
            Step::Failed(format!("{path}: {}", String::from_utf8_lossy(&body)))
        };
        let _ = self.steps.send((moment, step));
        Response::builder().status(202).body(Full::default()).unwrap_or_default()
    }

    fn event(&self, event: &Value) -> Answer {
        let deadline = self.clock.now().as_millisecond()
            + 1_000 * i64::try_from(self.deadline).unwrap_or(i64::MAX / 2_000);
        let answer = Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", "00000000-0000-0000-0000-000000000001")
            .header("lambda-runtime-deadline-ms", deadline)
            .header("lambda-runtime-trace-id", "Root=1-6922c6c0-0123456789abcdef01234567;Sampled=0")
            .header(
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:eu-central-1:111122223333:function:bench",
            );
        answer.body(Full::from(event.to_string())).unwrap_or_default()
    }

    fn moment(&self) -> Moment {
        let process = *self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let cpu = process.and_then(|clock| clock.now().ok()).map(Duration::from).unwrap_or_default();
        Moment { wall: Instant::now(), cpu }
    }
}

async fn counts(address: Option<&str>) -> Result<Value, Box<dyn Error>> {
    let Some(address) = address else { return Ok(Value::Null) };
    crate::raw_loop::get(address).await
}

/// The largest resident set so far, in kilobytes.
fn peak_kb(pid: Pid) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
