//! Whom the product trusts: the system's roots, and at VK's hosts those an operator adds for VK.

use evosync_connections::config::Env;
use evosync_connections::domain::{ErrorCode, Liveness, Unknown};
use evosync_connections::error_chain::chain;
use evosync_connections::http_client::Limits;
use evosync_connections::providers::{CheckAnswer, Registered, Renewal, Revoked, vk};
use evosync_connections::web::Boot as _;

use crate::support::{VkCaller, VkHost, logged, start_log};

#[tokio::test]
async fn an_extra_root_is_trusted_at_every_endpoint_of_vk() {
    let (vk, root) = VkHost::certified_privately().await;
    let caller = VkCaller::of(&vk.url).await.with("VK_EXTRA_CA", &root);
    assert_eq!(caller.check().await, Liveness::Alive);
    assert_eq!(caller.redeem("classic").await.unwrap().account.id, "42");
    assert_eq!(caller.redeem("vk_id").await.unwrap().account.id, "42");
    let renewal = caller.renew().await;
    assert!(matches!(&renewal, Renewal::Renewed(new) if new.tokens.access.secret() == "new-token"));
    vk.take_heard();
    caller.log_out().await;
    for extent in ["logout", "grant"] {
        assert_eq!(caller.revoke(extent).await, Revoked::Ended, "{extent}");
    }
    assert_eq!(vk.take_heard(), ["/oauth2/logout", "/oauth2/logout", "/oauth2/revoke"]);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_root_is_refused_and_is_ours_to_mend() {
    let (vk, _) = VkHost::certified_privately().await;
    let caller = VkCaller::of(&vk.url).await;
    assert_eq!(caller.check().await, Liveness::Unknown(Unknown::OurFault));
    for flow in ["classic", "vk_id"] {
        let refusal = caller.redeem(flow).await.unwrap_err();
        assert_eq!(refusal.code, ErrorCode::AppRejected, "{flow}");
        assert!(refusal.cause.contains("VK's certificate is not trusted"), "{flow}: {}", refusal.cause);
    }
    caller.log_out().await;
    assert!(matches!(caller.revoke("logout").await, Revoked::Transient(_)));
    assert!(vk.take_heard().is_empty(), "nothing secret is sent to a host that is not trusted");
}

#[tokio::test]
async fn a_renewal_where_vk_is_not_trusted_spends_nothing() {
    let (vk, root) = VkHost::certified_privately().await;
    let caller = VkCaller::of(&vk.url).await;
    let renewal = caller.renew().await;
    let Renewal::Unspent { answer: CheckAnswer { liveness, cause, .. } } = renewal else {
        panic!("{renewal:?}");
    };
    assert_eq!(liveness, Liveness::Unknown(Unknown::OurFault));
    let cause = cause.unwrap().to_string();
    assert!(cause.contains("VK's certificate is not trusted"), "{cause}");
    assert!(vk.take_heard().is_empty());
    let mended = caller.with("VK_EXTRA_CA", &root);
    assert!(matches!(mended.renew().await, Renewal::Renewed(_)));
}

#[tokio::test]
async fn an_extra_root_is_trusted_by_nobody_but_vks_clients() {
    start_log();
    let (elsewhere, root) = VkHost::certified_privately().await;
    let caller = VkCaller::of("https://vk.example").await.with("VK_EXTRA_CA", &root);
    let caller = caller.with("SESSIONS_TABLE", "SessionsTable").with("OIDC_CLIENT_ID", "client");
    let caller = caller.with("OIDC_ISSUER", &elsewhere.url);
    login::Function::boot(&caller.env(), &caller.platform(), &Registered).await.unwrap();
    assert!(logged().contains("TLS failed"), "the issuer's metadata was not asked for: {}", logged());

    let mut platform = caller.platform();
    platform.aws = platform.aws.into_builder().endpoint_url(&elsewhere.url).build();
    let renew = vk::renew(&caller.env(), &platform).unwrap().unwrap();
    let refused = chain(&renew.prepare().await.unwrap_err());
    assert!(refused.contains("certificate"), "Secrets Manager was not asked for its certificate: {refused}");
    assert!(elsewhere.take_heard().is_empty());
}

#[tokio::test]
async fn an_extra_root_may_stand_in_a_file() {
    let (vk, root) = VkHost::certified_privately().await;
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("root.pem");
    // As OpenSSL prints them: words before the certificate, and a root of somebody else's beside it.
    let (_, another) = VkHost::certified_privately().await;
    std::fs::write(&file, format!("Certificate:\n    Data:\n{another}\nsubject=Root\n{root}")).unwrap();
    let caller = VkCaller::of(&vk.url).await.with("VK_EXTRA_CA", file.to_str().unwrap());
    assert_eq!(caller.check().await, Liveness::Alive);
}

#[tokio::test]
async fn a_certificate_of_another_name_is_refused_whoever_signed_it() {
    let (vk, root) = VkHost::certified_privately().await;
    let other_name = vk.url.replace("localhost", "127.0.0.1");
    let caller = VkCaller::of(&other_name).await.with("VK_EXTRA_CA", &root);
    assert_eq!(caller.check().await, Liveness::Unknown(Unknown::OurFault));
}

#[test]
fn a_text_without_certificates_stops_the_boot() {
    let text = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----";
    let env = Env::of_map([("VK_EXTRA_CA".to_owned(), text.to_owned())].into());
    let error = vk::check_within(&env, Limits::default()).err().unwrap().to_string();
    assert!(error.contains("VK_EXTRA_CA"), "{error}");
}
