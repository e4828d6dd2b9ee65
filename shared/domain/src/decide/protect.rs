//! Whether a stage's alarms can still protect it, and its target lets them. Said once when they no
//! longer can, and once when they can again.

use super::Draft;
use super::ask::no_stage;
use crate::entry::What;
use crate::fact::Inspected;
use crate::peril::perils;
use crate::reason::Reason;

pub(super) fn inspected(draft: &mut Draft, inspected: &Inspected) -> Reason {
    let name = &inspected.stage;
    let Some((config, stage)) = draft.pipeline.stage(name) else {
        return no_stage(name);
    };
    let found = perils(config, inspected, &stage.perils, draft.now);
    if found == stage.perils {
        return Reason::NothingNew;
    }
    let stage = name.clone();
    if found.is_empty() {
        draft.write(What::Protected { stage }, Reason::AlarmsAsTheyShould);
        return Reason::AlarmsAsTheyShould;
    }
    let what = What::Unprotected {
        stage,
        perils: found,
    };
    draft.write(what, Reason::AlarmsNotAsTheyShould);
    Reason::AlarmsNotAsTheyShould
}
