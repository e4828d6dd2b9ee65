//! The table at the end of the demo: what was seen, row by row. Pure.

use super::load::Count;

/// One deployment that was followed to its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) service: &'static str,
    pub(super) release: String,
    pub(super) stage: String,
    pub(super) outcome: String,
    /// From the order to the outcome.
    pub(super) seconds: f64,
    /// Requests of customers meanwhile, where there were customers.
    pub(super) load: Option<Count>,
}

/// How often something was observed, by place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) ledger: u32,
    pub(super) fleet: u32,
    pub(super) notices: u32,
}

const HEADS: [&str; 7] = [
    "SERVICE", "RELEASE", "STAGE", "OUTCOME", "SECONDS", "REQUESTS", "FAILED",
];
/// From this column on there are numbers.
const NUMBERS_FROM: usize = 4;

/// The rows as a table, the services one after the other.
pub(super) fn table(rows: &[Row]) -> String {
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.service));
    let mut lines = vec![HEADS.map(str::to_owned)];
    lines.extend(rows.into_iter().map(cells));
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let line = |cells: &[String; 7]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, (cell, width))| {
                if at < NUMBERS_FROM {
                    format!("{cell:width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn cells(row: &Row) -> [String; 7] {
    let load = |number: fn(&Count) -> u64| {
        row.load
            .as_ref()
            .map_or_else(|| "-".to_owned(), |count| number(count).to_string())
    };
    [
        row.service.to_owned(),
        row.release.clone(),
        row.stage.clone(),
        row.outcome.clone(),
        format!("{:.1}", row.seconds),
        load(|count| count.sent),
        load(|count| count.failed),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_follow_each_other_and_numbers_stand_right() {
        let row = |service, outcome: &str, load| Row {
            service,
            release: "1 (1.0.0)".to_owned(),
            stage: "production".to_owned(),
            outcome: outcome.to_owned(),
            seconds: 9.96,
            load,
        };
        let count = Count {
            sent: 1200,
            failed: 0,
        };
        let rows = [
            row("billing", "good", None),
            row("shop", "rolled back to 2", Some(count)),
        ];
        assert_eq!(
            table(&rows),
            "\
SERVICE  RELEASE    STAGE       OUTCOME           SECONDS  REQUESTS  FAILED
shop     1 (1.0.0)  production  rolled back to 2     10.0      1200       0
billing  1 (1.0.0)  production  good                 10.0         -       -"
        );
    }
}
