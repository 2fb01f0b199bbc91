//! What VK's error codes mean for a connection ("Error codes" in VK's API reference, and VK's
//! published schema for the codes it does not list).

use std::fmt;

use serde::Deserialize;

use super::lenient::Lenient;
use crate::domain::{Liveness, OfflineReason, Unknown};

/// An error of the API. `request_params` is not read: it has echoed access tokens.
#[derive(Deserialize)]
pub(super) struct ApiError {
    #[serde(rename = "error_code")]
    code: Lenient,
    #[serde(rename = "error_subcode")]
    subcode: Option<Lenient>,
    #[serde(rename = "error_msg")]
    message: Option<Lenient>,
}

/// Parts of `error_msg` that tell apart what code 5, "user authorization failed", stands for. VK
/// words them in more than one way.
const BLOCKED: [&str; 4] = ["blocked", "banned", "deactivated", "deleted"];
const ANOTHER_ADDRESS: [&str; 1] = ["another ip address"];
const OUR_MISTAKE: [&str; 1] = ["no access_token passed"];

impl ApiError {
    /// VK's `error_code`; 0, which is none of its codes, where it is no number.
    pub(super) fn code(&self) -> i64 {
        self.code.number().unwrap_or_default()
    }

    /// The verdict on the token the call was made with. A code outside the table proves nothing, and
    /// neither does a subcode outside it, where subcodes decide.
    pub(super) fn liveness(&self) -> Liveness {
        use Liveness::{Dead, Unknown as Keep};
        use OfflineReason as Why;
        match (self.code(), self.subcode.as_ref().and_then(Lenient::number)) {
            (5, subcode) if subcode == Some(1130) || self.says(&ANOTHER_ADDRESS) => {
                Keep(Unknown::AnotherAddress)
            }
            (5, _) if self.says(&OUR_MISTAKE) => Keep(Unknown::OurFault),
            (5, _) if self.says(&BLOCKED) => Dead(Why::AccountUnavailable),
            (5 | 1117 | 3609, _) => Dead(Why::TokenRejected),
            (18 | 37 | 3610 | 3611, _) => Dead(Why::AccountUnavailable),
            (17 | 24 | 25 | 41 | 3300..=3305 | 11500, _) => Dead(Why::ActionRequired),
            (7 | 203 | 205 | 260 | 1051, _) | (15, Some(1133)) => Dead(Why::PermissionMissing),
            (27 | 28 | 1114 | 1116 | 1118, _) => Dead(Why::WrongTokenKind),
            (1 | 6 | 9 | 10 | 29 | 32 | 36 | 43 | 601 | 1105, _) => Keep(Unknown::Transient),
            (8, None | Some(1000 | 1001)) | (15, Some(1134)) => Keep(Unknown::OurFault),
            (2..=4 | 11..=13 | 16 | 20 | 21 | 23 | 33..=35 | 38 | 42 | 100 | 101 | 113 | 150 | 9999, _) => {
                Keep(Unknown::OurFault)
            }
            _ => Keep(Unknown::Inconclusive),
        }
    }

    /// Whether VK asks for fewer calls: too many a second, flood control, or a method's own limit.
    pub(super) fn is_rate_limit(&self) -> bool {
        matches!(self.code(), 6 | 9 | 29)
    }

    fn says(&self, parts: &[&str]) -> bool {
        let message = self.message.as_ref().and_then(Lenient::text).unwrap_or_default().to_lowercase();
        parts.iter().any(|part| message.contains(part))
    }
}

/// Code and subcode, which a log may carry.
impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "error {}", self.code())?;
        match self.subcode.as_ref().and_then(Lenient::number) {
            Some(subcode) => write!(formatter, "/{subcode}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(code: i64) -> Liveness {
        ApiError { code: Lenient::Number(code), subcode: None, message: None }.liveness()
    }

    fn verdict_of(json: &str) -> Liveness {
        serde_json::from_str::<ApiError>(json).unwrap().liveness()
    }

    #[test]
    fn final_codes_name_their_reason() {
        let table = [
            (OfflineReason::TokenRejected, &[5, 1117, 3609][..]),
            (OfflineReason::AccountUnavailable, &[18, 37, 3610, 3611]),
            (OfflineReason::ActionRequired, &[17, 24, 25, 41, 3300, 3301, 3302, 3303, 3304, 3305, 11500]),
            (OfflineReason::PermissionMissing, &[7, 203, 205, 260, 1051]),
            (OfflineReason::WrongTokenKind, &[27, 28, 1114, 1116, 1118]),
        ];
        for (reason, codes) in table {
            for code in codes {
                assert_eq!(verdict(*code), Liveness::Dead(reason), "{code}");
            }
        }
    }

    #[test]
    fn codes_that_say_nothing_of_the_token_keep_the_connection() {
        let table = [
            (Unknown::Transient, &[1, 6, 9, 10, 29, 32, 36, 43, 601, 1105][..]),
            (Unknown::Inconclusive, &[14, 15, 30, 39, 40, 200, 600, 603, 1400, 0, -1, 12345]),
            (
                Unknown::OurFault,
                &[2, 3, 4, 8, 11, 12, 13, 16, 20, 21, 23, 33, 34, 35, 38, 42, 100, 101, 113, 150, 9999],
            ),
        ];
        for (class, codes) in table {
            for code in codes {
                assert_eq!(verdict(*code), Liveness::Unknown(class), "{code}");
            }
        }
    }

    #[test]
    fn code_5_about_our_own_mistake_is_not_final() {
        let message = "User authorization failed: no access_token passed.";
        let json = format!(r#"{{"error_code":5,"error_msg":"{message}"}}"#);
        assert_eq!(verdict_of(&json), Liveness::Unknown(Unknown::OurFault));
    }

    #[test]
    fn code_5_about_another_address_is_not_final_however_it_says_so() {
        for rest in [
            r#""error_subcode":1130,"error_msg":"User authorization failed""#,
            r#""error_msg":"User authorization failed: access_token was given to another ip address.""#,
        ] {
            let verdict = verdict_of(&format!(r#"{{"error_code":5,{rest}}}"#));
            assert_eq!(verdict, Liveness::Unknown(Unknown::AnotherAddress), "{rest}");
        }
    }

    #[test]
    fn code_5_about_a_blocked_person_is_about_the_account() {
        for message in ["user is blocked", "User is Blocked.", "this user was banned", "user is deactivated"]
        {
            let json = format!(r#"{{"error_code":5,"error_msg":"User authorization failed: {message}"}}"#);
            assert_eq!(verdict_of(&json), Liveness::Dead(OfflineReason::AccountUnavailable), "{message}");
        }
    }

    #[test]
    fn an_unknown_subcode_of_8_or_15_proves_nothing() {
        for (code, subcode, verdict) in [
            (8, 1000, Unknown::OurFault),
            (8, 1001, Unknown::OurFault),
            (8, 1002, Unknown::Inconclusive),
            (15, 1135, Unknown::Inconclusive),
        ] {
            let json = format!(r#"{{"error_code":{code},"error_subcode":{subcode}}}"#);
            assert_eq!(verdict_of(&json), Liveness::Unknown(verdict), "{code}/{subcode}");
        }
    }

    #[test]
    fn a_code_is_read_however_it_is_spelled() {
        assert_eq!(verdict_of(r#"{"error_code":"18"}"#), Liveness::Dead(OfflineReason::AccountUnavailable));
        assert_eq!(verdict_of(r#"{"error_code":[]}"#), Liveness::Unknown(Unknown::Inconclusive));
    }

    #[test]
    fn an_odd_field_beside_the_code_does_not_hide_it() {
        for field in
            [r#""error_msg":null"#, r#""error_msg":7"#, r#""error_subcode":"none""#, r#""error_subcode":{}"#]
        {
            let verdict = verdict_of(&format!(r#"{{"error_code":5,{field}}}"#));
            assert_eq!(verdict, Liveness::Dead(OfflineReason::TokenRejected), "{field}");
        }
    }

    #[test]
    fn code_15_depends_on_its_subcode() {
        let missing = verdict_of(r#"{"error_code":15,"error_subcode":1133,"error_msg":""}"#);
        assert_eq!(missing, Liveness::Dead(OfflineReason::PermissionMissing));
        let spelled = verdict_of(r#"{"error_code":15,"error_subcode":"1133"}"#);
        assert_eq!(spelled, Liveness::Dead(OfflineReason::PermissionMissing));
        let ours = verdict_of(r#"{"error_code":15,"error_subcode":1134}"#);
        assert_eq!(ours, Liveness::Unknown(Unknown::OurFault));
    }
}
