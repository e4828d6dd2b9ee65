//! What names repositories: builds, and an administrator.

use ::forge::{Repository, Settings};

use super::Target;

/// GitHub's settings.
pub(super) const SETTINGS: Target = Target {
    name: "github-settings",
    read: |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        match Settings::read(text) {
            Ok(settings) => {
                let said = settings.repository("https://github.com/acme/shop.git");
                assert!(said.is_none_or(|it| it.to_string() == "acme/shop"));
            }
            Err(error) => drop(error.to_string()),
        }
    },
    seeds: || {
        let least = r#"{"token":"github_pat_1","repositories":["acme/*"]}"#;
        let whole = r#"{"token":"github_pat_1","repositories":["acme/shop"],"site":"ghe.example",
            "api":"https://ghe.example/api/v3","environment":"{service}/{stage}",
            "production":["production","live-*"]}"#;
        vec![least.into(), whole.into()]
    },
};

/// What a build says of its repository.
pub(super) const REPOSITORY: Target = Target {
    name: "repository",
    read: |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        let Some(found) = Repository::find(text, "github.com") else {
            return;
        };
        let said = found.to_string();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        assert!(said.chars().all(plain), "it goes into an address: {said}");
        assert_eq!(said.matches('/').count(), 1);
        assert_eq!(said.try_into(), Ok(found), "a repository reads back");
    },
    seeds: || {
        let said = [
            "https://github.com/acme/shop.git",
            "https://jenkins:secret@github.com:443/acme/shop/tree/main",
            "git@github.com:acme/shop.git",
            "ssh://git@github.com:22/acme/shop.js",
        ];
        said.map(|it| it.as_bytes().to_vec()).to_vec()
    },
};
