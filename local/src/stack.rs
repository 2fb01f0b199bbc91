//! Everything started and wired together.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evosync_connections::platform::{Clock, Entropy, Platform};
use evosync_connections::providers::{Registered, Registry};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::aws::{Aws, AwsError};
use crate::changes::ChangeFeed;
use crate::cloudformation::{self, TableSpec, Template, TemplateError};
use crate::evotor::{self, Evotor};
use crate::functions::{BootError, Function, InvokeError};
use crate::gateway::Gateway;
use crate::issuer::{Client, Issuer};
use crate::net::{Server, listen, listen_near, listen_v6};
use crate::schedule::Sweeper;
use crate::vk::{self, SweepNow, Vk};

const EVOTOR_CLIENT_ID: &str = "evosync-local";
const EVOTOR_SECRET: &str = "local/evotor-client-secret";
const VK_CLIENT_ID: &str = "7000001";
const VK_SECRET: &str = "local/vk-client-secret";
const VK_SERVICE_TOKEN: &str = "local/vk-service-token";
const TOKEN_KEYS: &str = "local/token-keys";
const OIDC_SECRET: &str = "local/oidc-client-secret";

/// How to start a stack.
pub struct Options {
    /// The product's port; 0 lets the system choose. VK, the issuer and Evotor get the next three where free.
    pub port: u16,
    /// Where data is kept; `None` keeps it in memory.
    pub folder: Option<PathBuf>,
    /// Time, for everything.
    pub clock: Clock,
    /// Randomness, for everything.
    pub entropy: Entropy,
    /// Template parameters over the local ones.
    pub parameters: HashMap<String, String>,
}

/// A running product with everything around it.
pub struct Stack {
    base_url: String,
    _server: Server,
    aws: Aws,
    vk: Vk,
    evotor: Evotor,
    issuer: Issuer,
    functions: HashMap<String, Function>,
    sweeper: Sweeper,
    changes: ChangeFeed,
    removals: ChangeFeed,
    template: Template,
    platform: Platform,
    registry: Arc<dyn Registry>,
    tasks: Vec<JoinHandle<()>>,
    _lock: Option<File>,
}

/// Why a stack did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else listens on the product's port.
    #[error("port {0} is taken; stop what uses it, or choose another with --port")]
    PortTaken(u16),
    /// The template does not fit this stack.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A function did not boot.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// AWS did not start.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The folder that data is kept in cannot be used.
    #[error("data cannot be kept in {}: {error}; choose another folder with --data, or --memory", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// Another stack keeps its data in the folder.
    #[error("{} is in use by another stack; stop it, or choose another folder with --data", .0.display())]
    FolderInUse(PathBuf),
    /// A file or a listener failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Stack {
    /// Starts everything; when this returns, the product answers.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        Self::start_with(options, Arc::new(Registered)).await
    }

    /// Starts everything with providers of one's own in the product's.
    pub async fn start_with(options: Options, registry: Arc<dyn Registry>) -> Result<Self, StartError> {
        let taken = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => StartError::PortTaken(options.port),
            _ => StartError::Io(error),
        };
        let lock = options.folder.as_deref().map(lock).transpose()?;
        let listener = listen(options.port).await.map_err(taken)?;
        let port = listener.local_addr()?.port();
        let listener_v6 = if options.port == 0 { None } else { listen_v6(port).await.map_err(taken)? };
        let base_url = format!("http://localhost:{port}");

        let tables = cloudformation::tables()?;
        let aws = Aws::start(options.folder.as_deref(), &tables, options.clock.clone()).await?;
        seed_secrets(&aws, &options.entropy);
        let neighbour = |offset| if options.port == 0 { 0 } else { port.saturating_add(offset) };
        let vk = start_vk(&aws, &base_url, neighbour(1), &options).await?;
        let issuer = start_issuer(&aws, &base_url, neighbour(2), &options).await?;

        let evotor = start_evotor(&aws, &base_url, neighbour(3), &options).await?;

        let mut parameters = parameters(&vk, &evotor, &issuer);
        parameters.extend(options.parameters);
        let template = Template::read(parameters, attributes(&base_url, &tables))?;

        let (clock, entropy) = (options.clock, options.entropy);
        let platform = Platform { clock: clock.clone(), entropy: entropy.clone(), aws: aws.sdk_config() };
        let functions =
            Box::pin(Function::boot_all(&template.functions()?, &platform, registry.as_ref())).await?;
        let function =
            |name: &str| functions.get(name).cloned().ok_or_else(|| BootError::Unknown(name.to_owned()));
        let sweeper = Sweeper::new(function("health-check")?, clock.clone(), entropy.clone());
        let feed = |name: &str, only, position: &str| {
            let position = options.folder.as_deref().map(|folder| folder.join(position));
            let stream = aws.stream("ConnectionsTable");
            let (clock, entropy) = (clock.clone(), entropy.clone());
            Ok::<_, StartError>(ChangeFeed::new(stream, function(name)?, only, position, clock, entropy))
        };
        let changes = feed("events", None, "stream-position")?;
        let removals = feed("revoke", Some("REMOVE"), "removals-position")?;
        aws.serve_functions(functions.clone(), entropy.clone());
        vk.connect_to(base_url.clone(), sweep_now(&sweeper), aws.events_feed());
        evotor.connect_to(base_url.clone(), sweep_now(&sweeper), aws.events_feed());

        let gateway = Arc::new(Gateway::new(template.routes()?, functions.clone(), clock, entropy));
        let mut server = Server::start(listener, Arc::clone(&gateway).router())?;
        if let Some(listener) = listener_v6 {
            server.also_on(listener, gateway.router());
        }
        let tasks = Vec::new();
        Ok(Self {
            base_url,
            _server: server,
            aws,
            vk,
            evotor,
            issuer,
            functions,
            sweeper,
            changes,
            removals,
            template,
            platform,
            registry,
            tasks,
            _lock: lock,
        })
    }

    /// Sweeps on the template's schedule, and delivers changes every second, from now on.
    pub fn keep_schedule(&mut self) -> Result<(), TemplateError> {
        self.tasks.push(self.changes.clone().keep_delivering());
        self.tasks.push(self.removals.clone().keep_delivering());
        self.tasks.push(self.sweeper.clone().every(self.template.sweep_every()?));
        Ok(())
    }

    /// The product's address.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// AWS.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// VK.
    pub fn vk(&self) -> &Vk {
        &self.vk
    }

    /// Evotor.
    pub fn evotor(&self) -> &Evotor {
        &self.evotor
    }

    /// The issuer.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// What invokes the sweep.
    pub fn sweeper(&self) -> &Sweeper {
        &self.sweeper
    }

    /// Delivers the changes of the connections that are not delivered yet, to both functions that read them;
    /// how many the one that announces them has finished with.
    pub async fn deliver_changes(&self) -> Result<usize, InvokeError> {
        let announced = self.changes.deliver().await?;
        self.removals.deliver().await?;
        Ok(announced)
    }

    /// Boots every function again, as Lambda does for a further environment.
    pub async fn boot_again(&self) -> Result<HashMap<String, Function>, StartError> {
        let specs = self.template.functions()?;
        Ok(Box::pin(Function::boot_all(&specs, &self.platform, self.registry.as_ref())).await?)
    }

    /// Sweeps once and returns the summary.
    pub async fn sweep(&self) -> Result<Value, InvokeError> {
        self.sweeper.sweep().await
    }

    /// Invokes a function with an event.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Value, InvokeError> {
        let known = self.functions.get(function);
        let function = known.ok_or_else(|| InvokeError::Failed(format!("no function {function}")))?;
        function.invoke("invoked-directly", event).await
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Makes the folder and keeps other stacks out of it for as long as the file is open.
fn lock(folder: &Path) -> Result<File, StartError> {
    let unusable = |error| StartError::Folder { folder: folder.to_owned(), error };
    fs::create_dir_all(folder).map_err(unusable)?;
    let file = File::create(folder.join("lock")).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::FolderInUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// A secret of 256 bits.
pub fn random_secret(entropy: &Entropy) -> String {
    URL_SAFE_NO_PAD.encode(entropy.bytes::<32>())
}

/// Makes the secrets of a first start; later starts find them.
fn seed_secrets(aws: &Aws, entropy: &Entropy) {
    let random = || random_secret(entropy);
    let seeds = [
        (EVOTOR_SECRET, json!({ "EVOTOR_CLIENT_SECRET": random() }).to_string()),
        (VK_SECRET, json!({ "VK_CLIENT_SECRET": random() }).to_string()),
        (VK_SERVICE_TOKEN, json!({ "VK_SERVICE_TOKEN": random() }).to_string()),
        (TOKEN_KEYS, json!({ "current": "1", "1": random() }).to_string()),
        (OIDC_SECRET, random()),
    ];
    for (name, value) in seeds {
        if aws.secret(name).is_none() {
            aws.put_secret(name, &value);
        }
    }
}

fn secret_of(aws: &Aws, id: &str, member: &str) -> io::Result<String> {
    let secret: Value = serde_json::from_str(&aws.secret(id).unwrap_or_default())?;
    Ok(secret[member].as_str().unwrap_or_default().to_owned())
}

async fn start_evotor(aws: &Aws, base_url: &str, port: u16, options: &Options) -> io::Result<Evotor> {
    let app = evotor::App {
        client_id: EVOTOR_CLIENT_ID.to_owned(),
        client_secret: secret_of(aws, EVOTOR_SECRET, "EVOTOR_CLIENT_SECRET")?,
        redirect_uri: format!("{base_url}/evotor/callback"),
    };
    let file = options.folder.as_deref().map(|folder| folder.join("evotor.json"));
    Evotor::start(listen_near(port).await?, app, file, options.clock.clone(), options.entropy.clone())
}

async fn start_vk(aws: &Aws, base_url: &str, port: u16, options: &Options) -> io::Result<Vk> {
    let app = vk::App {
        client_id: VK_CLIENT_ID.to_owned(),
        client_secret: secret_of(aws, VK_SECRET, "VK_CLIENT_SECRET")?,
        service_token: secret_of(aws, VK_SERVICE_TOKEN, "VK_SERVICE_TOKEN")?,
        redirect_uri: format!("{base_url}/vk/callback"),
    };
    let file = options.folder.as_deref().map(|folder: &Path| folder.join("vk.json"));
    Vk::start(listen_near(port).await?, app, file, options.clock.clone(), options.entropy.clone())
}

async fn start_issuer(aws: &Aws, base_url: &str, port: u16, options: &Options) -> io::Result<Issuer> {
    let client = Client {
        id: "evosync-local".to_owned(),
        secret: aws.secret(OIDC_SECRET).unwrap_or_default(),
        redirect_uri: format!("{base_url}/login/callback"),
    };
    Issuer::start(listen_near(port).await?, client, options.clock.clone(), options.entropy.clone())
}

/// What the template's parameters are on this machine. The schedule is short, so that a developer
/// sees it work.
fn parameters(vk: &Vk, evotor: &Evotor, issuer: &Issuer) -> HashMap<String, String> {
    let (vk, evotor) = (vk.url(), evotor.url());
    let parameters = [
        ("Providers", "evotor,vk".to_owned()),
        ("EvotorClientId", EVOTOR_CLIENT_ID.to_owned()),
        ("EvotorAuthorizeUrl", format!("{evotor}/oauth/authorize")),
        ("EvotorTokenUrl", format!("{evotor}/oauth/token")),
        ("EvotorApiUrl", evotor),
        ("VkClientId", VK_CLIENT_ID.to_owned()),
        ("VkAuthorizeUrl", format!("{vk}/authorize")),
        ("VkTokenUrl", format!("{vk}/access_token")),
        ("VkIdUrl", format!("{vk}/id")),
        ("VkApiUrl", format!("{vk}/method")),
        ("OidcIssuer", issuer.url()),
        ("OidcClientId", "evosync-local".to_owned()),
        ("OidcClientSecretId", OIDC_SECRET.to_owned()),
        ("SweepEvery", "1".to_owned()),
        ("SweepQueue", String::new()),
        ("EventBusArn", "arn:aws:events:eu-central-1:000000000000:event-bus/local".to_owned()),
        ("FailedEvents", "http://localhost/failed-events".to_owned()),
    ];
    parameters.map(|(name, value)| (name.to_owned(), value)).into()
}

/// What the template's resources are on this machine.
fn attributes(base_url: &str, tables: &[TableSpec]) -> HashMap<String, String> {
    let mut attributes = HashMap::from([
        ("HttpApi.ApiEndpoint".to_owned(), base_url.to_owned()),
        ("Data.Outputs.EvotorClientSecret".to_owned(), EVOTOR_SECRET.to_owned()),
        ("Data.Outputs.VkClientSecret".to_owned(), VK_SECRET.to_owned()),
        ("Data.Outputs.VkServiceToken".to_owned(), VK_SERVICE_TOKEN.to_owned()),
        ("Data.Outputs.TokenKeys".to_owned(), TOKEN_KEYS.to_owned()),
    ]);
    let names = tables.iter().map(|table| table.logical_id.clone());
    attributes.extend(names.map(|name| (format!("Data.Outputs.{name}"), name)));
    attributes
}

/// What the button of a control page does.
fn sweep_now(sweeper: &Sweeper) -> SweepNow {
    let sweeper = sweeper.clone();
    Box::new(move || {
        let sweeper = sweeper.clone();
        Box::pin(async move {
            match sweeper.sweep().await {
                Ok(summary) => format!("{summary:#}"),
                Err(error) => error.to_string(),
            }
        })
    })
}
