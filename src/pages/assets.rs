//! The static files, embedded, under names that change with their content, so that browsers may
//! keep them forever.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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

static ASSETS: LazyLock<[Asset; 2]> = LazyLock::new(|| {
    [
        Asset::new(
            "style.css",
            "text/css; charset=utf-8",
            include_bytes!("../../templates/static/style.css"),
        ),
        Asset::new("icon.svg", "image/svg+xml", include_bytes!("../../templates/static/icon.svg")),
    ]
});

impl Asset {
    fn new(name: &'static str, media_type: &'static str, bytes: &'static [u8]) -> Self {
        let hash = URL_SAFE_NO_PAD.encode(&digest::digest(&digest::SHA256, bytes).as_ref()[..9]);
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        Self { name, file: format!("{stem}-{hash}.{extension}"), media_type, bytes }
    }
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
    fn a_file_is_not_found_under_its_bare_name() {
        assert!(find("style.css").is_none());
        assert!(path("no such file").is_err());
    }
}
