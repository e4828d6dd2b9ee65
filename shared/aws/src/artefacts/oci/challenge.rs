//! What a registry asks for before it answers: its `WWW-Authenticate` header (RFC 9110; the Docker
//! token authentication specification). Pure.

use http_auth::ChallengeRef;

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A token of somebody it trusts.
    Bearer {
        /// Where to get one.
        realm: String,
        /// For which service.
        service: Option<String>,
        /// For what.
        scope: Option<String>,
    },
    /// A name and a password.
    Basic,
}

/// The challenge to answer: a token rather than a password, when both will do.
pub(super) fn best<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let all: Vec<Challenge> = headers.flat_map(read).collect();
    let is_bearer = |challenge: &&Challenge| matches!(challenge, Challenge::Bearer { .. });
    all.iter().find(is_bearer).or(all.first()).cloned()
}

fn read(header: &str) -> Vec<Challenge> {
    let parsed = http_auth::parse_challenges(header).unwrap_or_default();
    parsed.iter().filter_map(of).collect()
}

fn of(challenge: &ChallengeRef<'_>) -> Option<Challenge> {
    if challenge.scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    let parameter = |wanted: &str| {
        let mut all = challenge.params.iter();
        all.find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.to_unescaped())
    };
    let is_bearer = challenge.scheme.eq_ignore_ascii_case("bearer");
    let realm = parameter("realm").filter(|_| is_bearer)?;
    Some(Challenge::Bearer {
        realm,
        service: parameter("service"),
        scope: parameter("scope"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artefacts::shaken::assert_answers;

    #[test]
    fn a_token_is_preferred_to_a_password() {
        let bearer = "Bearer realm=\"https://auth.docker.io/token\",\
                      service=\"registry.docker.io\",scope=\"repository:shop/web:pull\"";
        let expected = Challenge::Bearer {
            realm: "https://auth.docker.io/token".to_owned(),
            service: Some("registry.docker.io".to_owned()),
            scope: Some("repository:shop/web:pull".to_owned()),
        };
        assert_eq!(
            best(["Basic realm=\"r\"", bearer].into_iter()),
            Some(expected)
        );
        assert_eq!(
            best(["basic realm=\"r\""].into_iter()),
            Some(Challenge::Basic)
        );
    }

    #[test]
    fn what_is_no_challenge_of_ours_is_none() {
        for header in [
            "",
            "Bearer",
            "Bearer service=\"s\"",
            "Digest realm=\"r\"",
            "=,\"",
            "Basic",
        ] {
            let found = best([header].into_iter());
            assert_eq!(found.is_some(), header == "Basic", "{header}: {found:?}");
        }
    }
    #[test]
    fn whatever_a_registry_asks_for_it_is_understood_or_not() {
        const BOTH: &str = "Bearer realm=\"https://auth.docker.io/token\",\
                            service=\"registry.docker.io\",scope=\"repository:shop/web:pull\",\
                            Basic realm=\"a \\\"b\\\"\"";
        let read = |bytes: &[u8]| {
            if let Ok(header) = std::str::from_utf8(bytes) {
                drop(best(std::iter::once(header)));
            }
        };
        assert_answers("challenge", read, || vec![BOTH.into()]);
    }
}
