//! What VK ID's tokens may do at the API.

use jiff::Timestamp;

use super::{PERSONAL_INFO, VkId};
use crate::vk::api::Failure;

impl VkId {
    /// Whose a token is that calls a method; `None` when VK ID has no such token alive.
    pub(in crate::vk) fn caller(
        &self,
        token: &str,
        method: &str,
        now: Timestamp,
    ) -> Option<Result<u64, Failure>> {
        let live = self.sessions.find(token, now)?;
        let outcome = if live.expired {
            Err(Failure::new(5, "User authorization failed: access_token has expired."))
        } else if !live.at_home {
            let elsewhere = "User authorization failed: access_token was given to another ip address.";
            Err(Failure::new(5, elsewhere).with_subcode(1130))
        } else if live.session.scope == PERSONAL_INFO || method == "account.getAppPermissions" {
            Err(Failure::new(1051, "Method is unavailable for this profile type"))
        } else {
            Ok(live.session.account)
        };
        Some(outcome)
    }

    /// How many tokens of an account's would be let in now.
    pub(in crate::vk) fn living_tokens(&self, account: u64, now: Timestamp) -> usize {
        let live = self.sessions.access_tokens().filter_map(|token| self.sessions.find(token, now));
        live.filter(|live| !live.expired && live.session.account == account).count()
    }
}
