//! The static files, embedded, under names that change with their content, so that browsers may
//! keep them forever.

use std::sync::LazyLock;

use minijinja::Value;

/// A static file.
pub struct Asset {
    /// The name in templates.
    name: &'static str,
    /// The name in addresses: `<stem>-<hash>.<extension>`.
    file: String,
    /// Its `Content-Type`.
    pub media_type: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
}

const STYLE: &[u8] = include_bytes!("../../templates/static/style.css");
const ICON: &[u8] = include_bytes!("../../templates/static/icon.svg");

static ASSETS: LazyLock<[Asset; 2]> = LazyLock::new(|| {
    [
        Asset::new("style.css", "text/css; charset=utf-8", STYLE, const { digest(STYLE) }),
        Asset::new("icon.svg", "image/svg+xml", ICON, const { digest(ICON) }),
    ]
});

impl Asset {
    fn new(name: &'static str, media_type: &'static str, bytes: &'static [u8], digest: u64) -> Self {
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        Self { name, file: format!("{stem}-{digest:016x}.{extension}"), media_type, bytes }
    }
}

/// FNV-1a (draft-eastlake-fnv), by the compiler: nobody gains by making two files of the same digest, and a start
/// has no time for a stronger one.
const fn digest(bytes: &[u8]) -> u64 {
    let (mut digest, mut at) = (0xcbf2_9ce4_8422_2325_u64, 0);
    while at < bytes.len() {
        // `u64::from` is not for constants yet.
        digest = (digest ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    digest
}

/// The file of an address's last part.
pub fn find(file: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.file == file)
}

/// The address of a file, by its name in templates.
pub(super) fn path(name: &str) -> Result<Value, minijinja::Error> {
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    asset
        .map(|asset| Value::from_safe_string(format!("/assets/{}", asset.file)))
        .ok_or_else(|| minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, "no such asset"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_file_finds_it() {
        let path = path("style.css").unwrap();
        let asset = find(path.as_str().unwrap().strip_prefix("/assets/").unwrap()).unwrap();
        assert_eq!(asset.media_type, "text/css; charset=utf-8");
    }

    #[test]
    fn the_digest_is_that_of_the_draft() {
        assert_eq!(digest(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(digest(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_file_is_not_found_under_its_bare_name() {
        assert!(find("style.css").is_none());
        assert!(path("no such file").is_err());
    }
}
