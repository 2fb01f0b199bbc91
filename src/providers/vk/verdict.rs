//! What VK's error codes mean for a connection ("Error codes" in VK's API reference, and VK's
//! published schema for the codes it does not list).

use serde::Deserialize;

use super::lenient::Lenient;
use crate::domain::{Liveness, OfflineReason, Unknown};

/// An error of the API. `request_params` is not read: it has echoed access tokens.
#[derive(Deserialize)]
pub(super) struct ApiError {
    #[serde(rename = "error_code")]
    pub(super) code: i64,
    #[serde(rename = "error_subcode")]
    subcode: Option<Lenient>,
    #[serde(rename = "error_msg")]
    message: Option<Lenient>,
}

impl ApiError {
    /// The verdict on the token the call was made with. A code outside the table proves nothing.
    pub(super) fn liveness(&self) -> Liveness {
        use Liveness::{Dead, Unknown as Keep};
        use OfflineReason as Why;
        let subcode = self.subcode.as_ref().and_then(Lenient::number);
        match self.code {
            5 if self.blames_us() => Keep(Unknown::OurFault),
            5 | 1117 | 3609 => Dead(Why::TokenRejected),
            18 | 37 | 3610 | 3611 => Dead(Why::AccountUnavailable),
            17 | 24 | 25 | 3300..=3305 | 11500 => Dead(Why::ActionRequired),
            7 | 203 | 205 | 260 => Dead(Why::PermissionMissing),
            15 if subcode == Some(1133) => Dead(Why::PermissionMissing),
            27 | 28 | 1114 | 1116 | 1118 => Dead(Why::WrongTokenKind),
            1 | 6 | 9 | 10 | 29 | 32 | 36 | 43 | 1105 => Keep(Unknown::Transient),
            15 if subcode == Some(1134) => Keep(Unknown::OurFault),
            2 | 3 | 4 | 8 | 11 | 16 | 20 | 21 | 23 | 33..=35 | 38 | 42 | 100 | 101 | 113 | 150 | 9999 => {
                Keep(Unknown::OurFault)
            }
            _ => Keep(Unknown::Inconclusive),
        }
    }

    /// "User authorization failed" also stands for two mistakes of the caller.
    fn blames_us(&self) -> bool {
        let message = self.message.as_ref().and_then(Lenient::text).unwrap_or_default().to_lowercase();
        message.contains("another ip address") || message.contains("no access_token passed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(code: i64) -> Liveness {
        ApiError { code, subcode: None, message: None }.liveness()
    }

    fn verdict_of(json: &str) -> Liveness {
        serde_json::from_str::<ApiError>(json).unwrap().liveness()
    }

    #[test]
    fn final_codes_name_their_reason() {
        let table = [
            (OfflineReason::TokenRejected, &[5, 1117, 3609][..]),
            (OfflineReason::AccountUnavailable, &[18, 37, 3610, 3611]),
            (OfflineReason::ActionRequired, &[17, 24, 25, 3300, 3301, 3302, 3303, 3304, 3305, 11500]),
            (OfflineReason::PermissionMissing, &[7, 203, 205, 260]),
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
            (Unknown::Transient, &[1, 6, 9, 10, 29, 32, 36, 43, 1105][..]),
            (Unknown::Inconclusive, &[14, 15, 0, -1, 12345]),
            (
                Unknown::OurFault,
                &[2, 3, 4, 8, 11, 16, 20, 21, 23, 33, 34, 35, 38, 42, 100, 101, 113, 150, 9999],
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
        for message in ["access_token was given to another ip address.", "no access_token passed."] {
            let json = format!(r#"{{"error_code":5,"error_msg":"User authorization failed: {message}"}}"#);
            assert_eq!(verdict_of(&json), Liveness::Unknown(Unknown::OurFault));
        }
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
