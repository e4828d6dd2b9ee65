//! Tables as they look here: columns without lines between them, as wide as the terminal allows.

use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, presets};

use crate::screen::Paint;

/// How a table is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// Whether it is coloured.
    pub(crate) paint: Paint,
    /// The terminal's width in columns; none where there is no terminal, and nothing is broken.
    pub(crate) width: Option<u16>,
}

impl Look {
    /// As stdout is.
    pub(crate) fn of_stdout(paint: Paint) -> Self {
        Self {
            paint,
            width: Table::new().width(),
        }
    }

    /// A table with these columns.
    pub(crate) fn table(self, columns: &[&str]) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.force_no_tty();
        if let Some(width) = self.width {
            table.set_width(width);
        }
        if self.paint == Paint::Colours {
            table.enforce_styling();
        }
        let head = |name: &&str| Cell::new(name).add_attribute(Attribute::Bold);
        table.set_header(columns.iter().map(head).collect::<Vec<_>>());
        // Colours would stand between the line's beginning and its space.
        if let Some(first) = table.column_mut(0) {
            first.set_padding((0, 1));
        }
        table
    }
}

/// A number, which stands to the right.
pub(crate) fn number(number: impl std::fmt::Display) -> Cell {
    Cell::new(number).set_alignment(CellAlignment::Right)
}

/// The table as text, without spaces at the end of lines.
pub(crate) fn text(table: &Table) -> String {
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}
