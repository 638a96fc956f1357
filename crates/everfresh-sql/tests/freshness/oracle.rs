//! The oracle: after each edit, a cached run equals a run in an empty cache, in every output and check; equals the
//! unpartitioned run; and computes nothing whose declared inputs were seen before.

use crate::{
    chance::Chance,
    coverage::Coverage,
    edit::{Kind, apply},
    meddler::Meddler,
    observed::{Observed, TableText, run, target},
    pipeline_file::{self, Template, sink, steps},
    server::Server,
    world::{Place, Reader, World, set_modified},
};
use everfresh_pipeline::{engine::QueryEngine, reason::Reason, report::Outcome, sabotage::Sabotage};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a case runs with.
pub struct Bench {
    pub server: Server,
    pub engine: Arc<dyn QueryEngine>,
    pub coverage: Coverage,
    /// The fault that is planted in the cached runs.
    pub sabotage: Option<Sabotage>,
}

/// What the cached runs of a case computed so far, by what it was made from.
#[derive(Default)]
struct Seen {
    whole: BTreeMap<&'static str, BTreeSet<String>>,
    parts: BTreeMap<&'static str, BTreeSet<String>>,
    /// Whether blobs were deleted: then results still hold, but whoever reads their rows has them computed again.
    rows_gone: bool,
}

/// One case: a world and a sequence of edits. `Err` says what the oracle objects to.
pub fn case(bench: &Bench, start: u64, edits: &[(Kind, u64)]) -> Result<(), String> {
    let mut world = World::any(&mut Chance::new(start));
    let mut place = Place::new(&bench.server);
    let (mut past, mut seen) = (Vec::new(), Seen::default());
    place.show(&world, &bench.server, false);
    round(bench, &place, &world, &mut seen).map_err(|why| format!("at the start: {why}\n{world:?}"))?;
    for (index, (kind, seed)) in edits.iter().enumerate() {
        let mut chance = Chance::new(*seed);
        let before = world.clone();
        let kind = apply(*kind, &mut world, &past, &mut chance);
        bench.coverage.edit(kind);
        if kind == Kind::ChangeWhileRunning {
            meddle(bench, &mut place, &before, &world)?;
            world = before.clone();
            place.show(&world, &bench.server, false);
        } else {
            place.show(&world, &bench.server, kind == Kind::SameSizeSameMtime);
            on_disk(kind, &place, &world, &mut chance, &mut seen);
        }
        past.push(before);
        round(bench, &place, &world, &mut seen)
            .map_err(|why| format!("after edit {index}, {kind:?}: {why}\nfrom {:?}\nto {world:?}", past.last()))?;
    }
    Ok(())
}

/// Edits of the cache, of outputs and of time stamps.
fn on_disk(kind: Kind, place: &Place, world: &World, chance: &mut Chance, seen: &mut Seen) {
    match kind {
        Kind::Touch => {
            for file in place.files() {
                set_modified(&file, std::time::SystemTime::now());
            }
        }
        Kind::DeleteOutput | Kind::EditOutput => {
            let wanted: Vec<_> =
                steps(world).enumerate().map(|(index, step)| (step.name, sink(step.name, index, "out").0)).collect();
            let (step, format) = *chance.pick(&wanted);
            for out in ["out", "out-fresh"] {
                let path = match format {
                    "replace" => place.path().join(out).join(format!("{step}.db")),
                    "upsert" => place.path().join(out).join("upsert.db"),
                    format => place.path().join(out).join(format!("{step}.{format}")),
                };
                match (kind, format) {
                    (Kind::DeleteOutput, _) => drop(fs::remove_file(path)),
                    (_, "replace" | "upsert") if path.exists() => {
                        let table = if format == "upsert" { "tagged" } else { step };
                        let database = rusqlite::Connection::open(path).unwrap();
                        database.execute(&format!("delete from {table}"), ()).unwrap();
                    }
                    (_, "replace" | "upsert") => {}
                    _ if path.exists() => fs::write(path, "edited").unwrap(),
                    _ => {}
                }
            }
        }
        Kind::DeleteBlobs => {
            let _ = fs::remove_dir_all(place.path().join("cache/blobs"));
            seen.rows_gone = true;
        }
        Kind::DeleteIndex => {
            for file in index_files(&place.path().join("cache")) {
                let _ = fs::remove_file(file);
            }
            *seen = Seen::default();
        }
        _ => {}
    }
}

/// The files of the index: everything of LMDB's, wherever the cache folder keeps it.
fn index_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("blobs") {
            found.extend(index_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "mdb") {
            found.push(path);
        }
    }
    found
}

/// A run during which the files change, after they were looked at and before they are read. What it gives is not
/// judged; that nothing of it is believed afterwards is.
fn meddle(bench: &Bench, place: &mut Place, before: &World, during: &World) -> Result<(), String> {
    fs::write(place.path().join("meddled.yaml"), pipeline_file::text(before, "out-meddled", true, &place.url)).unwrap();
    let (path, cache) = (place.path().join("meddled.yaml"), place.path().join("cache"));
    let tag = before.tag.clone();
    let shown = std::sync::Mutex::new((place, during.clone()));
    std::thread::scope(|scope| {
        let meddler = Arc::new(Meddler::new(bench.engine.clone()));
        let heard = meddler.clone();
        let shown = &shown;
        scope.spawn(move || {
            if heard.wait_for_plan() {
                let mut shown = shown.lock().unwrap();
                let (place, world) = &mut *shown;
                place.show(world, &bench.server, false);
            }
            heard.go_on();
        });
        let result = run(&path, &cache, &tag, meddler.clone(), bench.sabotage, true);
        meddler.end();
        result.map(|_| ())
    })
}

/// One cached run, one in an empty cache, one without partitions; compared.
fn round(bench: &Bench, place: &Place, world: &World, seen: &mut Seen) -> Result<(), String> {
    let folder = place.path();
    let write = |name: &str, out: &str, partitioned: bool| {
        let path = folder.join(name);
        fs::write(&path, pipeline_file::text(world, out, partitioned, &place.url)).unwrap();
        path
    };
    let cached = run(
        &write("everfresh.yaml", "out", true),
        &folder.join("cache"),
        &world.tag,
        bench.engine.clone(),
        bench.sabotage,
        false,
    )?;
    let empty = tempfile::tempdir().unwrap();
    let in_an_empty_cache = |file, out, partitioned| {
        let (file, cache) = (write(file, out, partitioned), empty.path().join(out));
        run(&file, &cache, &world.tag, bench.engine.clone(), None, false)
    };
    let fresh = in_an_empty_cache("fresh.yaml", "out-fresh", true)?;
    let whole = in_an_empty_cache("whole.yaml", "out-whole", false)?;
    bench.coverage.world(world);
    same_ends(&cached, &fresh)?;
    same_tables("a run in an empty cache", &cached, &fresh, &[])?;
    // Over the whole, a join follows the order of its larger side; partition by partition, that of the partitions.
    same_tables("the unpartitioned run", &fresh, &whole, &["joined", "matched"])?;
    same_checks(bench, &cached, &fresh)?;
    for (index, step) in steps(world).enumerate() {
        let (kind, _) = sink(step.name, index, "out");
        same_target(kind, folder, step.name)?;
        bench.coverage.sink(kind);
    }
    if steps(world).any(|step| step.name == "counted") {
        same_target("append", folder, "appended")?;
        bench.coverage.sink("append");
    }
    for step in steps(world) {
        not_computed_again(world, step, &cached, &fresh, seen)?;
    }
    Ok(())
}

fn same_ends(cached: &Observed, fresh: &Observed) -> Result<(), String> {
    for node in &fresh.report.nodes {
        if let Some(error) = &node.error {
            return Err(format!("`{}` fails: {error}", node.name));
        }
        if cached.ended(&node.name) != fresh.ended(&node.name) {
            return Err(format!(
                "`{}` ended as {:?}, in an empty cache {:?}",
                node.name,
                cached.node(&node.name),
                fresh.node(&node.name)
            ));
        }
    }
    Ok(())
}

fn same_tables(what: &str, one: &Observed, other: &Observed, unordered: &[&str]) -> Result<(), String> {
    for (name, is) in &one.tables {
        let Some(should) = other.tables.get(name) else { continue };
        let rows = |table: &TableText| {
            let mut rows = table.rows.clone();
            if unordered.contains(&name.as_str()) {
                rows.sort();
            }
            rows
        };
        if is.schema != should.schema || rows(is) != rows(should) {
            return Err(format!("`{name}` differs from {what}:\n{is:?}\nis not\n{should:?}"));
        }
    }
    Ok(())
}

fn same_checks(bench: &Bench, cached: &Observed, fresh: &Observed) -> Result<(), String> {
    for node in fresh.report.nodes.iter().filter(|node| node.kind == "check") {
        bench.coverage.check(&node.name);
        let is = cached.node(&node.name).and_then(|node| node.check.clone()).map(|mut check| {
            check.message.clear();
            check
        });
        let should = node.check.clone().map(|mut check| {
            check.message.clear();
            check
        });
        if is != should {
            return Err(format!("`{}` found {is:?}, in an empty cache {should:?}", node.name));
        }
    }
    Ok(())
}

fn same_target(kind: &str, folder: &Path, step: &str) -> Result<(), String> {
    let (is, should) = (target(kind, &folder.join("out"), step), target(kind, &folder.join("out-fresh"), step));
    if is == should {
        return Ok(());
    }
    Err(format!("the {kind} sink of `{step}` holds\n{is:?}\nin an empty cache\n{should:?}"))
}

/// The simple dependency rule: a step is what its settings and the columns that it declares to read make it.
fn not_computed_again(
    world: &World,
    step: &'static Template,
    cached: &Observed,
    fresh: &Observed,
    seen: &mut Seen,
) -> Result<(), String> {
    let Some(node) = cached.node(step.name).filter(|node| matches!(node.outcome, Outcome::Hit | Outcome::Ran)) else {
        return Ok(());
    };
    let inputs: Option<Vec<_>> =
        step.reads.iter().map(|(name, columns)| Some((fresh.tables.get(*name)?, *columns))).collect();
    let Some(inputs) = inputs else { return Ok(()) };
    // Columns of Parquet files are known by how they are stored: what another reader gave counts as something else.
    let stored = world.reader == Reader::Parquet && step.reads.iter().any(|(name, _)| *name == "events");
    let settings = format!("{} {} {stored}", world.version, (step.settings)(world));
    let mut signature = settings.clone();
    for (table, columns) in &inputs {
        signature += &format!("{:?} {}", table.parts, table.seen(*columns, 0..table.rows.len()));
    }
    let known = !seen.whole.entry(step.name).or_default().insert(signature);
    let rows_gone = seen.rows_gone && node.reason == Reason::RowsGone;
    if known && node.outcome != Outcome::Hit && !rows_gone {
        return Err(format!("`{}` was computed again although nothing that it reads is new: {node:?}", step.name));
    }
    if !step.partitioned {
        return Ok(());
    }
    let Some(((parted, columns), others)) = inputs.split_first() else { return Ok(()) };
    let rest: Vec<String> = others.iter().map(|(table, columns)| table.seen(*columns, 0..table.rows.len())).collect();
    let parts = seen.parts.entry(step.name).or_default();
    let new = parted
        .ranges()
        .into_iter()
        .map(|range| format!("{settings} {rest:?} {}", parted.seen(*columns, range)))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter(|part| parts.insert(part.clone()))
        .count();
    let computed = node.note.as_deref().and_then(|note| note.split(' ').next()?.parse::<usize>().ok());
    if node.outcome == Outcome::Ran
        && !seen.rows_gone
        && computed.is_none_or(|computed| computed > new.max(same_parts(parted)))
    {
        return Err(format!("`{}` computed {computed:?} partitions, new are {new}: {node:?}", step.name));
    }
    Ok(())
}

/// Partitions that are equal may be computed side by side: neither is in the cache when the other one is looked up.
fn same_parts(table: &TableText) -> usize {
    let all = table.ranges();
    let distinct: BTreeSet<String> = all.iter().map(|range| table.seen(None, range.clone())).collect();
    if distinct.len() == all.len() { 0 } else { all.len() }
}
