//! A sync worker as EvoSync's are: it knows connections from events alone, asks for tokens, and calls VK.

use std::collections::{BTreeMap, BTreeSet};

use evosync_tokens::{Token, TokenError, Tokens};
use serde_json::Value;

use crate::support::TestStack;

/// A worker.
pub(crate) struct Worker {
    tokens: Tokens,
    vk: String,
    http: reqwest::Client,
    known: BTreeMap<String, Known>,
    reported: BTreeSet<String>,
}

/// What it knows of a merchant's connection.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Known {
    sequence: u128,
    generation: String,
    state: State,
}

/// How a connection is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Works,
    Broken(String),
    Gone,
}

/// What came of working for a merchant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    /// VK has answered.
    Done,
    /// VK does not answer, or not so that anything follows from it.
    VkAway,
    /// VK refuses a token that was reported before: there is nothing to do but wait.
    Refused,
    /// There is no token.
    NoToken(TokenError),
}

/// What VK says to a token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Vk {
    Accepts,
    Refuses,
    SaysNothing,
}

impl Worker {
    pub(crate) fn of(test: &TestStack) -> Self {
        let clock = test.platform_clock();
        let lambda = aws_sdk_lambda::Client::new(&test.stack.aws().sdk_config());
        Self {
            tokens: Tokens::new(lambda, "token").by_clock(move || clock.now()),
            vk: test.stack.vk().url(),
            http: reqwest::Client::new(),
            known: BTreeMap::new(),
            reported: BTreeSet::new(),
        }
    }

    /// Hears of an event: at least once, in any order.
    pub(crate) fn hear(&mut self, event: &Value) {
        let detail = &event["Detail"];
        let text = |member: &str| detail[member].as_str().unwrap_or_default().to_owned();
        let (user, sequence) = (text("user"), text("sequence").parse().unwrap());
        if self.known.get(&user).is_some_and(|known| sequence <= known.sequence) {
            return;
        }
        let state = match event["DetailType"].as_str().unwrap() {
            "Connection Connected" | "Connection Reconnected" | "Connection Recovered" => State::Works,
            "Connection Broken" => State::Broken(text("reason")),
            "Connection Disconnected" => State::Gone,
            other => panic!("an event of an unknown kind: {other}"),
        };
        self.tokens.forget(&user, "vk");
        self.known.insert(user, Known { sequence, generation: text("generation"), state });
    }

    /// The connections that there are, each with its generation.
    pub(crate) fn picture(&self) -> BTreeMap<String, (String, State)> {
        let there = self.known.iter().filter(|(_, known)| known.state != State::Gone);
        there.map(|(user, known)| (user.clone(), (known.generation.clone(), known.state.clone()))).collect()
    }

    /// Works for a merchant; `None` where events say that there is no connection that works.
    pub(crate) async fn work(&mut self, user: &str) -> Option<Work> {
        self.known.get(user).filter(|known| known.state == State::Works)?;
        Some(self.try_to_work(user).await.unwrap_or_else(Work::NoToken))
    }

    async fn try_to_work(&mut self, user: &str) -> Result<Work, TokenError> {
        let token = self.tokens.get(user, "vk").await?;
        match self.call(&token).await {
            Vk::Accepts => return Ok(Work::Done),
            Vk::SaysNothing => return Ok(Work::VkAway),
            Vk::Refuses if !self.reported.insert(token.version.clone()) => return Ok(Work::Refused),
            Vk::Refuses => {}
        }
        let token = self.tokens.rejected(&token).await?;
        Ok(match self.call(&token).await {
            Vk::Accepts => Work::Done,
            Vk::SaysNothing => Work::VkAway,
            Vk::Refuses => Work::Refused,
        })
    }

    /// Every version that was reported as refused: none twice.
    pub(crate) fn reported(&self) -> &BTreeSet<String> {
        &self.reported
    }

    async fn call(&self, token: &Token) -> Vk {
        let url = format!("{}/method/users.get?v=5.131", self.vk);
        let call = self.http.get(url).bearer_auth(token.access_token());
        let Ok(answer) = call.send().await else { return Vk::SaysNothing };
        let answer = answer.json::<Value>().await.unwrap_or_default();
        if answer["response"][0]["id"].as_u64().is_some_and(|id| id.to_string() == token.account_id) {
            return Vk::Accepts;
        }
        if answer["error"]["error_code"] == 5 { Vk::Refuses } else { Vk::SaysNothing }
    }
}
