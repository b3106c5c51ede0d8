//! Reads `[group.NAME]`. Whether the members exist and agree is [`super::check`]'s.

use super::code::Code;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::formats;
use super::hooks::{self, UnitsDraft};
use super::model::Notify;
use super::reader::{self, At, Table};

/// A group as far as it could be read.
pub(super) struct GroupDraft {
    pub(super) name: String,
    /// In the order of the file.
    pub(super) members: Vec<At<String>>,
    pub(super) notify: Notify,
    pub(super) units: UnitsDraft,
}

impl GroupDraft {
    /// Reads the table.
    pub(super) fn read(name: &str, mut table: Table<'_>, problems: &mut Diagnostics) -> Self {
        let owner = format!("group `{name}`");
        let members = members(name, &mut table, problems);
        let notify =
            table.take("notify").map(|entry| hooks::notify(&owner, entry, problems)).unwrap_or_default();
        let units =
            table.take("units").map(|entry| hooks::units(&owner, entry, problems)).unwrap_or_default();
        table.finish(problems);
        GroupDraft { name: name.to_owned(), members, notify, units }
    }
}

fn members(name: &str, table: &mut Table<'_>, problems: &mut Diagnostics) -> Vec<At<String>> {
    let row = table.row("members");
    let Some(entry) = table.require("members", problems) else { return Vec::new() };
    let Some(items) = reader::array("members", &entry.node, "instance names", problems) else {
        return Vec::new();
    };
    if items.is_empty() {
        let message = format!("group `{name}` has no members");
        let diagnostic =
            Diagnostic::error(Code::BadMember, &entry.node.place, message).label("nothing to move together");
        problems.push(diagnostic);
    }
    let member = |item| {
        let text = formats::text(row, item, problems)?;
        Some(At { value: text.value.to_owned(), place: text.place })
    };
    items.iter().filter_map(member).collect()
}
