//! Connections of merchants' accounts to the places EvoSync copies their goods to.
//!
//! A merchant signs in, opens `/connections`, connects a VK account by OAuth, sees whether it works,
//! reconnects or disconnects. Every quarter of an hour a sweep asks VK whether each stored token
//! still lives. This library is what the Lambda functions in `functions/` share; each of those is a
//! handler of one screen.
//!
//! A request flows one way: function → [`domain`] → [`providers`] or [`store`] → [`pages`].
//!
//! | module | what it is |
//! | --- | --- |
//! | [`domain`] | connections, attempts, sessions, tokens, error codes; no I/O |
//! | [`providers`] | what can be connected, a folder each: authorize, redeem, check, renew, words |
//! | [`store`] | the two DynamoDB tables, a store per function |
//! | [`sealing`] | tokens at rest |
//! | [`renewal`] | new tokens for old ones, each refresh token spent once |
//! | [`secrets`] | Secrets Manager, cached for five minutes |
//! | [`pages`] | typed pages and their templates |
//! | [`web`] | inbound: requests, cookies, answers with security headers, running a function |
//! | [`http_client`] | outbound: bounded calls to hosts outside AWS |
//! | [`config`] | the environment, by section |
//! | [`platform`] | clock, randomness and AWS, passed in |
//! | [`aws`], `tls` | AWS as Lambda's variables say; whom all clients trust |
//! | [`telemetry`] | logs, metrics and audit events |
//! | [`params`], [`retry`], [`error_chain`] | query strings and forms; back-off; errors that can be logged |
//! | [`texts`] | what people read, in each language |

pub mod aws;
pub mod config;
pub mod domain;
pub mod error_chain;
pub mod http_client;
pub mod pages;
pub mod params;
pub mod platform;
pub mod providers;
pub mod renewal;
pub mod retry;
pub mod sealing;
pub mod secrets;
pub mod store;
pub mod telemetry;
pub mod texts;
mod tls;
pub mod web;
