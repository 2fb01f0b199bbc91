//! `template.yaml` says what the contract says, and gives each function what it reads and no more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use evosync_connections::config::{ConfigError, Env};
use evosync_connections::platform::Platform;
use evosync_connections::providers::Registered;
use evosync_connections::web::{ANSWER_WITHIN, Boot, Frame};
use local::cloudformation::Template;

use crate::support::TestStack;

fn template() -> Template {
    template_with(&[])
}

/// The template with further parameters.
fn template_with(given: &[(&str, &str)]) -> Template {
    let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut parameters = HashMap::from([
        named("VkClientId", "7"),
        named("OidcIssuer", "https://issuer.example"),
        named("OidcClientId", "client"),
        named("OidcClientSecretId", "oidc"),
        named("FailedEvents", "https://sqs.example/failed-events"),
        named("SweepQueue", "https://sqs.example/sweep"),
    ]);
    parameters.extend(given.iter().map(|(name, value)| named(name, value)));
    let attributes = HashMap::from([
        named("HttpApi.ApiEndpoint", "https://api.example"),
        named("Data.Outputs.ConnectionsTable", "connections"),
        named("Data.Outputs.SessionsTable", "sessions"),
        named("Data.Outputs.EvotorClientSecret", "evotor"),
        named("Data.Outputs.VkClientSecret", "vk"),
        named("Data.Outputs.VkServiceToken", "vk-service-token"),
        named("Data.Outputs.TokenKeys", "keys"),
    ]);
    Template::read(parameters, attributes).unwrap()
}

#[test]
fn the_routes_are_the_contracts() {
    let routes: BTreeMap<_, _> =
        template().routes().unwrap().into_iter().map(|route| (route.key, route.function)).collect();
    let contract = [
        ("$default", "assets"),
        ("GET /", "dashboard"),
        ("GET /assets/{file}", "assets"),
        ("GET /connections", "dashboard"),
        ("GET /evotor", "page"),
        ("GET /evotor/callback", "callback"),
        ("GET /evotor/connect", "connect"),
        ("GET /login", "login"),
        ("GET /login/callback", "login"),
        ("GET /vk", "page"),
        ("GET /vk/callback", "callback"),
        ("GET /vk/connect", "connect"),
        ("POST /evotor/disconnect", "disconnect"),
        ("POST /logout", "login"),
        ("POST /vk/disconnect", "disconnect"),
    ];
    assert_eq!(routes, contract.map(|(key, function)| (key.to_owned(), function.to_owned())).into());
}

#[test]
fn functions_answer_before_lambda_ends_them_and_lambda_before_api_gateway_gives_up() {
    let api_gateway_waits = std::time::Duration::from_secs(30);
    let routed: BTreeSet<_> = template().routes().unwrap().into_iter().map(|route| route.function).collect();
    for function in template().functions().unwrap().into_iter().filter(|spec| routed.contains(&spec.name)) {
        assert!(
            ANSWER_WITHIN < function.timeout && function.timeout < api_gateway_waits,
            "{}",
            function.name
        );
    }
}

#[test]
fn the_sweep_runs_every_quarter_of_an_hour() {
    assert_eq!(template().sweep_every().unwrap(), std::time::Duration::from_mins(15));
}

#[test]
fn roots_for_vk_are_a_file_of_the_layer_or_a_text() {
    for (given, expected) in [
        ([("VkExtraCa", "")], ""),
        ([("VkExtraCa", "-----BEGIN")], "-----BEGIN"),
        ([("VkRootsFile", "vk.pem")], "/opt/vk.pem"),
    ] {
        let functions = template_with(&given).functions().unwrap();
        let told = functions.iter().filter_map(|function| function.environment.get("VK_EXTRA_CA"));
        assert_eq!(told.collect::<BTreeSet<_>>(), BTreeSet::from([&expected.to_owned()]), "{given:?}");
    }
}

#[tokio::test]
async fn each_function_is_given_what_it_reads_and_no_more() {
    let test = TestStack::start().await;
    let platform = test.platform();
    for spec in template_with(&[("Providers", "evotor,vk"), ("EvotorClientId", "app")]).functions().unwrap() {
        let read = Arc::new(Mutex::new(BTreeSet::new()));
        for flow in ["classic", "vk_id"] {
            let (seen, given) = (Arc::clone(&read), spec.environment.clone());
            let env = &Env::of(move |name| {
                seen.lock().unwrap().insert(name.to_owned());
                let value = given.get(name).cloned();
                if name == "VK_FLOW" { value.map(|_| flow.to_owned()) } else { value }
            });
            boot(&spec.name, env, &platform).await.unwrap();
        }
        let given: BTreeSet<_> = spec.environment.into_keys().collect();
        assert_eq!(given, *read.lock().unwrap(), "{}", spec.name);
    }
}

#[tokio::test]
async fn a_setting_that_a_flow_of_vk_lacks_stops_the_boot_and_is_named() {
    let test = TestStack::start().await;
    let platform = test.platform();
    for (flow, function, missing) in [
        ("classic", "connect", "VK_CLIENT_ID"),
        ("classic", "callback", "VK_CLIENT_SECRET_ID"),
        ("vk_id", "connect", "VK_CLIENT_ID"),
        ("vk_id", "callback", "VK_CLIENT_ID"),
        ("vk_id", "callback", "VK_SERVICE_TOKEN_ID"),
    ] {
        let spec = template().functions().unwrap().into_iter().find(|spec| spec.name == function).unwrap();
        let mut environment = spec.environment;
        environment.insert("VK_FLOW".to_owned(), flow.to_owned());
        environment.remove(missing);
        let error = boot(function, &Env::of_map(environment), &platform).await.unwrap_err().to_string();
        assert!(error.contains(missing), "{flow}: {error}");
    }
}

async fn boot(function: &str, env: &Env, platform: &Platform) -> Result<(), ConfigError> {
    let registry = &Registered;
    if !["events", "health-check", "revoke", "token"].contains(&function) {
        Frame::new(env)?;
    }
    match function {
        "assets" => Ok(()),
        "callback" => callback::Function::boot(env, platform, registry).await.map(drop),
        "connect" => connect::Function::boot(env, platform, registry).await.map(drop),
        "dashboard" => dashboard::Function::boot(env, platform, registry).await.map(drop),
        "disconnect" => disconnect::Function::boot(env, platform, registry).await.map(drop),
        "events" => events::Function::boot(env, platform).map(drop),
        "health-check" => health_check::Function::boot(env, platform, registry).await.map(drop),
        "login" => login::Function::boot(env, platform, registry).await.map(drop),
        "page" => page::Function::boot(env, platform, registry).await.map(drop),
        "revoke" => revoke::Function::boot(env, platform, registry).await.map(drop),
        "token" => token::Function::boot(env, platform, registry).await.map(drop),
        name => panic!("no function {name}"),
    }
}
