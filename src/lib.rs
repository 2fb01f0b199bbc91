//! Connections of merchants' accounts to the places EvoSync copies their goods to.
//!
//! A merchant signs in, opens `/connections`, connects a VK account by OAuth, sees whether it works,
//! reconnects or disconnects. Every quarter of an hour a sweep asks VK whether each stored token
//! still lives. This library is what the Lambda functions in `functions/` share; each of those is a
//! handler of one screen.
//!
//! A request flows one way: function → [`domain`] → [`vk`] or [`store`] → [`pages`].
//!
//! | module | what it is |
//! | --- | --- |
//! | [`domain`] | connections, attempts, sessions, error codes; no I/O |
//! | [`store`] | the two DynamoDB tables, a capability a file |
//! | [`vk`] | VK's authorize page, token endpoint and API |
//! | [`sealing`] | tokens at rest |
//! | [`secrets`] | Secrets Manager, cached for five minutes |
//! | [`pages`] | typed pages and their templates |
//! | [`web`] | requests, cookies, answers with security headers, running a function |
//! | [`config`] | every environment variable |
//! | [`platform`] | clock, randomness and AWS, passed in |
//! | [`http`] | bounded calls to hosts outside AWS |
//! | [`telemetry`] | logs and audit events |

pub mod config;
pub mod domain;
pub mod http;
pub mod pages;
pub mod platform;
pub mod sealing;
pub mod secrets;
pub mod store;
pub mod telemetry;
pub mod vk;
pub mod web;
