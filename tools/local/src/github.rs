//! GitHub, as the local system has it: a workshop of its own, and the secret that an administrator
//! would have made for the function that tells it where releases run.

use gateway::{Emulator, Place};
use serde_json::json;
use workshop::Workshop;

use crate::{secrets, trouble::Trouble};

/// The secret's name.
const SECRET: &str = "lastgood/github";
/// The token, which opens nothing but the workshop.
const TOKEN: &str = "github_pat_local";
/// Whose repositories there are.
const OWNER: &str = "shop";

/// Opens the workshop.
pub(crate) async fn open(port: u16) -> Result<Workshop, Trouble> {
    let options = workshop::Options {
        port,
        token: TOKEN.to_owned(),
        owner: OWNER.to_owned(),
    };
    let opened = Workshop::open(options).await;
    opened.map_err(Trouble::listening(port, "open the workshop"))
}

/// Makes the secret with the settings for a workshop; gives its ARN.
pub(crate) async fn store(
    emulator: &Emulator,
    home: &Place,
    workshop: &Workshop,
) -> Result<String, Trouble> {
    // Everything that is there may be written to.
    let settings = json!({
        "api": workshop.api(),
        "token": TOKEN,
        "repositories": [format!("{OWNER}/*")],
        "environment": "{service}/{stage}",
    });
    secrets::store(emulator, home, SECRET, &settings).await
}
