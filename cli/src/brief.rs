//! Names of AWS that are too long for a line of a table, cut to what tells them apart. The entry in
//! `--output json` has them whole.

use domain::Artefact;

/// Longest artefact shown whole, in characters. A key of S3 may have 1024 bytes.
const ARTEFACT_LENGTH_MAX: usize = 80;
/// How much of a longer one's beginning is kept, in characters; the rest is kept from its end,
/// where the file's name and the version are.
const ARTEFACT_BEGINNING: usize = 32;

/// An artefact, without the middle of a long name.
pub(crate) fn artefact(artefact: &Artefact) -> String {
    let name = artefact.to_string();
    let length = name.chars().count();
    if length <= ARTEFACT_LENGTH_MAX {
        return name;
    }
    let ending = ARTEFACT_LENGTH_MAX - ARTEFACT_BEGINNING - 1;
    let beginning = name.chars().take(ARTEFACT_BEGINNING);
    let ending = name.chars().skip(length - ending);
    beginning.chain(['…']).chain(ending).collect()
}

/// A deployment's own name: the last part of an ARN, or what is none as it is.
pub(crate) fn platform_id(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str) -> Artefact {
        Artefact::Object {
            bucket: "shop-artefacts".into(),
            key: key.into(),
            version: "v1".into(),
            sha256: None,
            bytes: 1,
        }
    }

    #[test]
    fn a_long_key_loses_its_middle() {
        assert_eq!(
            artefact(&object("web/1.4.2.zip")),
            "s3://shop-artefacts/web/1.4.2.zip"
        );
        let long = artefact(&object(&format!("web/{}/1.4.2.zip", "ü".repeat(500))));
        assert_eq!(long.chars().count(), ARTEFACT_LENGTH_MAX);
        assert!(long.starts_with("s3://shop-artefacts/web/ü"), "{long}");
        assert!(long.ends_with("ü/1.4.2.zip"), "{long}");
    }

    #[test]
    fn a_deployment_is_called_by_the_end_of_its_arn() {
        let arn = "arn:aws:ecs:eu-west-1:111122223333:service-deployment/test/shop/hqxr5hZt";
        assert_eq!(platform_id(arn), "hqxr5hZt");
        assert_eq!(platform_id("d-P82IX33UB"), "d-P82IX33UB");
    }
}
