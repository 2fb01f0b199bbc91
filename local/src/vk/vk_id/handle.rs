//! What tests and the control page do to VK ID.

use super::{Switch, VkId};
use crate::vk::Vk;

impl Vk {
    /// Switches one of VK ID's ways on or off. All are off at the start.
    pub fn set_switch(&self, switch: Switch, on: bool) {
        self.state().vk_id.trouble.set(switch, on);
    }

    /// Moves the application to another address. Access tokens of VK ID obtained until now are bound to
    /// the one it had.
    pub fn change_address(&self) {
        self.change(|state| state.vk_id.sessions.address += 1);
    }

    /// Loses the answers of the next calls to VK ID's token endpoint: what they ask for is done, and the
    /// connection closes without a word.
    pub fn lose_answers(&self, count: u32) {
        self.state().vk_id.trouble.answers_to_lose = count;
    }

    /// How often a refresh token was presented a second time.
    pub fn reuses(&self) -> u64 {
        self.state().vk_id.sessions.reuses
    }

    /// How many of an account's sessions live, whose refresh tokens are good for more.
    pub fn living_sessions(&self, account: u64) -> usize {
        self.state().vk_id.sessions.living(account)
    }

    /// Every refresh token VK ID has issued.
    pub fn refresh_tokens(&self) -> Vec<String> {
        self.state().vk_id.sessions.refresh_tokens().cloned().collect()
    }

    /// Changes the application's service token, as its owner does in VK's settings.
    pub fn set_service_token(&self, token: &str) {
        self.shared.change_app(|app| token.clone_into(&mut app.service_token));
    }
}

impl VkId {
    /// Ends every session of an account, refresh tokens included.
    pub(in crate::vk) fn end_sessions(&mut self, account: u64) {
        self.sessions.end_all(account);
    }

    /// Every access token there has been.
    pub(in crate::vk) fn access_tokens(&self) -> impl Iterator<Item = &String> {
        self.sessions.access_tokens()
    }
}
