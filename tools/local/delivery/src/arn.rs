//! ARNs: taking them apart. Pure.

use std::fmt;

use crate::Place;

/// The name of something on AWS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Arn {
    text: String,
    service: String,
    place: Place,
    resource: String,
}

impl Arn {
    /// Takes an ARN apart; nothing if it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (Some("arn"), Some(_partition), Some(service), Some(region), Some(account), resource) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return None;
        };
        let resource = resource.filter(|resource| !resource.is_empty())?;
        Some(Self {
            text: text.to_owned(),
            service: service.to_owned(),
            place: Place {
                account: account.to_owned(),
                region: region.to_owned(),
            },
            resource: resource.to_owned(),
        })
    }

    /// The whole ARN.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// For example `lambda`.
    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    /// Where it is.
    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// What comes after the account, for example `function:deployer`.
    pub(crate) fn resource(&self) -> &str {
        &self.resource
    }

    /// A Lambda function's name.
    pub(crate) fn function(&self) -> Option<&str> {
        self.function_parts().map(|(name, _)| name)
    }

    /// A Lambda function's alias or version.
    pub(crate) fn qualifier(&self) -> Option<&str> {
        self.function_parts().and_then(|(_, qualifier)| qualifier)
    }

    fn function_parts(&self) -> Option<(&str, Option<&str>)> {
        let rest = self
            .resource
            .strip_prefix("function:")
            .filter(|_| self.service == "lambda")?;
        Some(match rest.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (rest, None),
        })
    }

    /// An event bus's name.
    pub(crate) fn bus(&self) -> Option<&str> {
        self.resource
            .strip_prefix("event-bus/")
            .filter(|_| self.service == "events")
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_names_and_qualifiers() {
        let arn = Arn::parse("arn:aws:lambda:ap-south-1:111122223333:function:web:live").unwrap();
        assert_eq!(
            (arn.function(), arn.qualifier()),
            (Some("web"), Some("live"))
        );
        assert_eq!(arn.place().region, "ap-south-1");
        let arn = Arn::parse("arn:aws:lambda:ap-south-1:111122223333:function:web").unwrap();
        assert_eq!((arn.function(), arn.qualifier()), (Some("web"), None));
        assert_eq!(
            Arn::parse("arn:aws:sqs:eu-west-1:111122223333:web")
                .unwrap()
                .function(),
            None
        );
    }

    #[test]
    fn buses_have_names() {
        let arn = Arn::parse("arn:aws:events:eu-west-1:111122223333:event-bus/central").unwrap();
        assert_eq!(arn.bus(), Some("central"));
    }

    #[test]
    fn what_is_no_arn_is_refused() {
        for text in [
            "",
            "arn",
            "arn:aws:sqs:eu-west-1:111122223333",
            "urn:aws:sqs:a:b:c",
        ] {
            assert_eq!(Arn::parse(text), None, "{text}");
        }
    }
}
