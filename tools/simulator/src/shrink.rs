//! Making a failing case small: fewer adversaries, fewer services, fewer steps, as long as it still
//! fails in the same way.

use std::collections::BTreeSet;

use crate::run::{Case, Outcome, run};

/// Most tries of one shrinking.
pub(crate) const TRIES_MAX: usize = 600;

/// The smallest case found, in so many tries, that violates what `case` violates.
///
/// # Errors
/// When a case cannot be drawn.
pub(crate) fn shrink(case: &Case, tries: usize) -> anyhow::Result<(Case, Outcome)> {
    let first = run(case)?;
    let mut best = Best {
        kind: kind(&first),
        case: case.clone(),
        outcome: first,
        tries,
    };
    if best.outcome.violations.is_empty() {
        return Ok((best.case, best.outcome));
    }
    loop {
        let size = best.size();
        best.fewer_adversaries()?;
        best.fewer_services()?;
        best.fewer_steps()?;
        if best.size() == size || best.tries == 0 {
            return Ok((best.case, best.outcome));
        }
    }
}

/// Which invariant a case violates, in the words before the particulars.
fn kind(outcome: &Outcome) -> String {
    let first = outcome.violations.first().map_or("", String::as_str);
    let words: Vec<&str> = first.split(' ').collect();
    let named = words.iter().position(|word| {
        let number = word.strip_suffix(':').unwrap_or_default();
        number == "liveness" || number.parse::<u32>().is_ok()
    });
    let from = named.unwrap_or(0);
    words
        .get(from..(from + 3).min(words.len()))
        .unwrap_or_default()
        .join(" ")
}

struct Best {
    kind: String,
    case: Case,
    outcome: Outcome,
    /// Tries that are left.
    tries: usize,
}

impl Best {
    fn size(&self) -> (usize, usize, usize) {
        let steps = self.case.steps.as_ref().map_or(usize::MAX, BTreeSet::len);
        let adversaries = self.case.among.iter().count();
        (adversaries, steps, usize::MAX - self.case.without.len())
    }

    /// Takes a case for the best one if it fails in the same way.
    fn try_one(&mut self, case: Case) -> anyhow::Result<bool> {
        if self.tries == 0 {
            return Ok(false);
        }
        self.tries -= 1;
        let outcome = run(&case)?;
        let same = kind(&outcome) == self.kind;
        if same {
            self.case = case;
            self.outcome = outcome;
        }
        Ok(same)
    }

    fn fewer_adversaries(&mut self) -> anyhow::Result<()> {
        for one in self.case.among.iter().collect::<Vec<_>>() {
            let mut case = self.case.clone();
            case.among = case.among.without(one);
            self.try_one(case)?;
        }
        Ok(())
    }

    fn fewer_services(&mut self) -> anyhow::Result<()> {
        for planned in self.case.plan()?.services {
            let mut case = self.case.clone();
            case.without.insert(planned.config.service);
            self.try_one(case)?;
        }
        Ok(())
    }

    /// Leaves out ever smaller pieces of what is left.
    fn fewer_steps(&mut self) -> anyhow::Result<()> {
        let mut pieces = 2;
        loop {
            let steps: Vec<usize> = self.outcome.steps.iter().copied().collect();
            let length = steps.len().div_ceil(pieces).max(1);
            for left_out in steps.chunks(length) {
                let kept = &self.outcome.steps;
                let kept = kept.iter().filter(|step| !left_out.contains(step));
                let mut case = self.case.clone();
                case.steps = Some(kept.copied().collect());
                self.try_one(case)?;
            }
            if length == 1 || self.tries == 0 {
                return Ok(());
            }
            pieces *= 2;
        }
    }
}
