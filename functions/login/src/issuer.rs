//! The OpenID Connect issuer: where people sign in, and who they turn out to be.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use evosync_connections::config::{ConfigError, Oidc};
use evosync_connections::domain::State;
use evosync_connections::domain::secret::AuthorizationCode;
use evosync_connections::error_chain::Cause;
use evosync_connections::http_client::{HttpClient, Limits};
use evosync_connections::platform::{Clock, Entropy, Platform};
use evosync_connections::secrets::{ClientSecretSource, Secret};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreErrorResponseType, CoreIdToken,
    CoreProviderMetadata, CoreTokenResponse,
};
use openidconnect::{
    AuthType, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    TokenResponse as _,
};

use crate::discovery::Discovery;
use crate::error::IssuerError;
use crate::identity::Identity;
use crate::transport::Transport;

/// A client registered at the configured issuer.
pub(crate) struct Issuer {
    transport: Transport,
    config: Oidc,
    secret: Option<ClientSecretSource>,
    redirect_uri: String,
    clock: Clock,
    discovery: Discovery,
}

/// What makes one sign-in unlike any other: the nonce its ID token repeats, and the proof that the
/// code is redeemed by who asked for it.
pub(crate) struct Question {
    nonce: Nonce,
    pkce_verifier: PkceCodeVerifier,
}

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

impl Question {
    pub(crate) fn new(entropy: &Entropy) -> Self {
        let random = || URL_SAFE_NO_PAD.encode(entropy.bytes::<32>());
        Self::from_stored(random(), random())
    }

    pub(crate) fn from_stored(nonce: String, pkce_verifier: String) -> Self {
        Self { nonce: Nonce::new(nonce), pkce_verifier: PkceCodeVerifier::new(pkce_verifier) }
    }

    pub(crate) fn nonce(&self) -> &str {
        self.nonce.secret()
    }

    pub(crate) fn pkce_verifier(&self) -> &str {
        self.pkce_verifier.secret()
    }
}

impl Issuer {
    pub(crate) fn new(platform: &Platform, config: Oidc, redirect_uri: String) -> Result<Self, ConfigError> {
        let secret = config
            .client_secret_id
            .as_ref()
            .map(|id| ClientSecretSource::new(Secret::new(platform, id), "OIDC_CLIENT_SECRET"));
        Ok(Self {
            transport: Transport(HttpClient::new(Limits::default(), None).map_err(ConfigError::Tls)?),
            discovery: Discovery::new(config.issuer.clone(), platform.clock.clone()),
            config,
            secret,
            redirect_uri,
            clock: platform.clock.clone(),
        })
    }

    /// The issuer's own name.
    pub(crate) fn identifier(&self) -> &str {
        &self.config.issuer
    }

    /// Reads the metadata ahead of the first sign-in.
    pub(crate) async fn warm_up(&self) -> Result<(), IssuerError> {
        self.discovery.metadata(&self.transport).await.map(drop)
    }

    /// The address a person is sent to. Asks for name and e-mail where the issuer offers them, to
    /// have something to greet the person with.
    pub(crate) async fn authorize_url(
        &self,
        state: &State,
        question: &Question,
    ) -> Result<String, IssuerError> {
        let metadata = self.discovery.metadata(&self.transport).await?;
        let offered = metadata.scopes_supported().cloned().unwrap_or_default();
        let wanted = ["profile", "email"].map(|name| Scope::new(name.to_owned()));
        let (state, nonce) = (CsrfToken::new(state.secret().to_owned()), question.nonce.clone());
        let client = self.client(&metadata).await?;
        let (url, _, _) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, || nonce)
            .add_scopes(wanted.into_iter().filter(|scope| offered.contains(scope)))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&question.pkce_verifier))
            .url();
        Ok(url.into())
    }

    /// Redeems a code and reads who the ID token is about. When the issuer refuses our secret, the
    /// latest one is read and tried once.
    pub(crate) async fn identify(
        &self,
        code: AuthorizationCode,
        question: Question,
    ) -> Result<Identity, IssuerError> {
        let metadata = self.discovery.metadata(&self.transport).await?;
        let answer = match (self.redeem(&code, &question, &metadata).await, &self.secret) {
            (Err(IssuerError::ClientRefused), Some(secret)) => {
                secret.reread().await.map_err(|error| IssuerError::unavailable(&error))?;
                self.redeem(&code, &question, &metadata).await?
            }
            (outcome, _) => outcome?,
        };
        let token = answer.id_token().ok_or(IssuerError::Refused("no ID token"))?;
        self.verify(token, &question.nonce, &metadata).await?;
        Identity::read(&token.to_string(), &self.config.user_claim).map_err(IssuerError::Refused)
    }

    async fn redeem(
        &self,
        code: &AuthorizationCode,
        question: &Question,
        metadata: &CoreProviderMetadata,
    ) -> Result<CoreTokenResponse, IssuerError> {
        let client = self.client(metadata).await?;
        let request = client.exchange_code(openidconnect::AuthorizationCode::new(code.secret().to_owned()));
        let request = request.map_err(|_| IssuerError::Refused("no token endpoint"))?;
        let verifier = PkceCodeVerifier::new(question.pkce_verifier().to_owned());
        request.set_pkce_verifier(verifier).request_async(&self.transport).await.map_err(
            |error| match error {
                RequestTokenError::ServerResponse(answer) => match answer.error() {
                    CoreErrorResponseType::InvalidClient => IssuerError::ClientRefused,
                    _ => IssuerError::Refused("code refused"),
                },
                RequestTokenError::Request(error) => IssuerError::unavailable(&error),
                // Neither cause is printed: a parse error carries the body.
                RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                    IssuerError::Unavailable(Cause::new("no sensible answer"))
                }
            },
        )
    }

    /// Verifies signature, issuer, audience, times and nonce (OpenID Connect Core 1.0, section
    /// 3.1.3.7). A signature that does not fit may be of a key added since the metadata was read.
    async fn verify(
        &self,
        token: &CoreIdToken,
        nonce: &Nonce,
        metadata: &CoreProviderMetadata,
    ) -> Result<(), IssuerError> {
        let mut verified = self.check(token, nonce, metadata).await?;
        if let Err(ClaimsVerificationError::SignatureVerification(_)) = verified
            && let Some(newer) = self.discovery.newer(&self.transport).await?
        {
            verified = self.check(token, nonce, &newer).await?;
        }
        verified.map_err(|error| {
            IssuerError::Refused(match error {
                ClaimsVerificationError::Expired(_) => "ID token expired",
                ClaimsVerificationError::InvalidAudience(_) => "ID token of another audience",
                ClaimsVerificationError::InvalidIssuer(_) => "ID token of another issuer",
                ClaimsVerificationError::InvalidNonce(_) => "ID token of another sign-in",
                ClaimsVerificationError::SignatureVerification(_) => "ID token's signature",
                _ => "ID token's claims",
            })
        })
    }

    async fn check(
        &self,
        token: &CoreIdToken,
        nonce: &Nonce,
        metadata: &CoreProviderMetadata,
    ) -> Result<Result<(), ClaimsVerificationError>, IssuerError> {
        let client = self.client(metadata).await?;
        let now = DateTime::<Utc>::from_timestamp(self.clock.now().as_second(), 0).unwrap_or_default();
        let verifier = client.id_token_verifier().set_time_fn(move || now);
        Ok(token.claims(&verifier, nonce).map(drop))
    }

    async fn client(&self, metadata: &CoreProviderMetadata) -> Result<Client, IssuerError> {
        let secret = match &self.secret {
            Some(source) => Some(source.value().await.map_err(|error| IssuerError::unavailable(&error))?),
            None => None,
        };
        let secret = secret.map(|secret| ClientSecret::new(secret.secret().to_owned()));
        let redirect_uri = RedirectUrl::new(self.redirect_uri.clone());
        let redirect_uri = redirect_uri.map_err(|_| IssuerError::Refused("redirect URI"))?;
        let methods = metadata.token_endpoint_auth_methods_supported();
        // RFC 8414, section 2: without a list, client_secret_basic is meant.
        let basic = methods.is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
        let auth_type = if basic { AuthType::BasicAuth } else { AuthType::RequestBody };
        let client_id = ClientId::new(self.config.client_id.clone());
        Ok(CoreClient::from_provider_metadata(metadata.clone(), client_id, secret)
            .set_redirect_uri(redirect_uri)
            .set_auth_type(auth_type))
    }
}
