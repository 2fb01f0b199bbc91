//! The product in its whole stack, driven from outside.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed, and talks to this machine alone"
)]

mod announcing;
mod bad_input;
mod connecting;
mod disconnecting;
mod evotor;
mod evotor_client;
mod evotor_tokens;
mod fair;
mod faults;
mod handlers;
mod headers;
mod helping;
mod invoking;
mod journey;
mod languages;
mod leaks;
mod leaving;
mod month;
mod other_builds;
mod pages;
mod provider_seam;
mod renewing;
mod round_trips;
mod running_locally;
mod signing_in;
mod simulated_evotor;
mod simulated_vk_id;
mod store;
mod support;
mod sweep_at_scale;
mod sweeping;
mod telemetry;
mod templates;
mod tls;
mod token_client;
mod tokens;
mod vk_client;
mod vk_id;
mod worker;
mod working;
