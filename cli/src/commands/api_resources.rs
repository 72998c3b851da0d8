//! `api-resources`: the kinds that the other commands take.

use std::process::ExitCode;

use crate::args::{ApiResources, KindFormat};
use crate::output;
use crate::output::table::Table;
use crate::reference::KINDS;

/// Known without asking anyone.
pub(crate) fn api_resources(args: &ApiResources) -> anyhow::Result<ExitCode> {
    if args.output == Some(KindFormat::Name) {
        let names: String = KINDS.iter().map(|info| format!("{}\n", info.kind.grouped())).collect();
        return output::data(&names).map(|()| ExitCode::SUCCESS);
    }
    let wide = args.output == Some(KindFormat::Wide);
    let header = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND", "VERBS", "CATEGORIES"];
    let columns = if wide { header.len() } else { header.len() - 2 };
    let mut table = Table::new(header.into_iter().take(columns));
    for info in &KINDS {
        let mut cells = vec![
            info.plural.to_owned(),
            info.names().filter(|name| ![info.plural, info.singular].contains(name)).collect::<Vec<_>>().join(","),
            maas_crd::API_VERSION.to_owned(),
            "true".to_owned(),
            info.camel.to_owned(),
            info.verbs.join(","),
            if info.all { "all" } else { "" }.to_owned(),
        ];
        cells.truncate(columns);
        table.push(cells);
    }
    output::data(&table.render(!args.no_headers)).map(|()| ExitCode::SUCCESS)
}
