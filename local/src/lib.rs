//! The whole product on one machine: nothing is needed but this process.
//!
//! [`Stack`] starts everything a deployment has and everything it talks to:
//!
//! | module | stands for |
//! | --- | --- |
//! | [`cloudformation`] | CloudFormation: `template.yaml` names functions, routes, schedule and environment |
//! | [`gateway`] | API Gateway's HTTP API: events of payload format 2.0 in, responses out |
//! | [`functions`] | Lambda: the functions, booted in this process with the template's environment |
//! | [`schedule`] | EventBridge Scheduler |
//! | [`changes`] | Lambda's event source mapping: the connections' stream to its function |
//! | [`aws`] | DynamoDB (embedded, kept in a file), Secrets Manager, EventBridge, SQS and Lambda, behind one endpoint |
//! | [`vk`] | VK: consent page, tokens, API, and a control page to make trouble on |
//! | [`evotor`] | Evotor: consent page, rotating tokens, stores, and a control page too |
//! | [`issuer`] | an OpenID Connect issuer with demo people |
//!
//! The functions reach all of it as they would in production: over HTTP, through the real AWS SDK.
//! [`testing`] is for the tests that drive the stack, [`console`] for its commands.

pub mod aws;
pub mod changes;
pub mod cloudformation;
pub mod console;
pub mod evotor;
pub mod functions;
pub mod gateway;
pub mod issuer;
mod net;
mod pages;
pub mod schedule;
mod simulator;
mod stack;
pub mod testing;
pub mod vk;

pub use stack::{Options, Stack, StartError, random_secret};
