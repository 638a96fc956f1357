//! A folder of its own for a test, with a pipeline in it, and the command run on it.

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Orders and customers: two sources, two steps, a check, a sink.
pub const SHOP: &str = "\
name: shop
params: { least: 10 }
sources:
  orders:    { file: data/orders.csv }
  customers: { file: data/customers.csv }
steps:
  paid:
    sql: |
      select order_id, customer_id, amount
      from orders
      where amount >= $least
  totals:
    sql: |
      select customer_id, sum(amount) as total
      from paid
      group by customer_id
      order by customer_id
checks:
  totals:
    - { not_null: [customer_id] }
sinks:
  report: { from: totals, file: out/totals.csv }
";

pub const ORDERS: &str = "\
order_id,customer_id,amount,note
1,1,20,a
2,2,30,b
3,1,5,c
4,3,40,d
";

pub const CUSTOMERS: &str = "\
customer_id,name
1,Ada
2,Bea
3,Cem
";

pub struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn shop() -> Self {
        let sandbox = Self::empty();
        sandbox.write("everfresh.yaml", SHOP);
        sandbox.write("data/orders.csv", ORDERS);
        sandbox.write("data/customers.csv", CUSTOMERS);
        sandbox
    }

    /// A shop with another pipeline file.
    pub fn with(pipeline: &str) -> Self {
        let sandbox = Self::shop();
        sandbox.write("everfresh.yaml", pipeline);
        sandbox
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) {
        let file = self.file(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    /// Changes a text in a file, which must be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "`{from}` is not in {name}:\n{text}");
        self.write(name, &text.replace(from, to));
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    pub fn copy(&self, from: &Path) {
        copy_folder(from, self.path());
    }

    /// The command in the folder, with nothing of the user's settings around it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_everfresh"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_LOG", "COLUMNS", "RATES_URL"] {
            command.env_remove(name);
        }
        command.env("HOME", self.path()).env("XDG_STATE_HOME", self.file("state"));
        command
    }

    pub fn everfresh(&self, arguments: &[&str]) -> Ended {
        self.ended(self.command(arguments).output().unwrap())
    }

    pub fn everfresh_with(&self, arguments: &[&str], env: &[(&str, &str)]) -> Ended {
        self.ended(self.command(arguments).envs(env.iter().copied()).output().unwrap())
    }

    pub fn ended(&self, output: Output) -> Ended {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            folder: self.path().canonicalize().unwrap().display().to_string(),
        }
    }

    /// `run --json`, which must give one object and this exit code.
    pub fn run(&self, arguments: &[&str], code: i32) -> Report {
        self.run_with(arguments, &[], code)
    }

    pub fn run_with(&self, arguments: &[&str], env: &[(&str, &str)], code: i32) -> Report {
        let ended = self.everfresh_with(&[&["run", "--json"], arguments].concat(), env);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        Report(ended.json())
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if name == ".everfresh" || name == "out" {
            continue;
        }
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &to.join(name)),
            false => {
                fs::copy(entry.path(), to.join(name)).unwrap();
            }
        }
    }
}

/// A command that ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    folder: String,
}

impl Ended {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// All that people see, for a snapshot.
    pub fn seen(&self) -> String {
        let code = self.code.map_or("none".into(), |code| code.to_string());
        let text = format!("exit code: {code}\n--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr);
        text.replace(&self.folder, "[folder]")
    }
}

/// The object of `run --json`.
#[derive(Debug)]
pub struct Report(pub Value);

impl Report {
    fn node(&self, name: &str) -> &Value {
        let nodes = self.0["steps"].as_array().unwrap();
        nodes.iter().find(|node| node["name"] == name).unwrap_or_else(|| panic!("no `{name}` in {self:?}"))
    }

    pub fn outcome(&self, name: &str) -> &str {
        self.node(name)["outcome"].as_str().unwrap()
    }

    pub fn reason(&self, name: &str) -> &str {
        self.node(name)["reason"].as_str().unwrap()
    }

    pub fn get(&self, name: &str, key: &str) -> &Value {
        &self.node(name)[key]
    }

    /// `name outcome` of each, in the order of the report.
    pub fn outcomes(&self) -> Vec<String> {
        let nodes = self.0["steps"].as_array().unwrap();
        let text = |node: &Value, key: &str| node[key].as_str().unwrap().to_owned();
        nodes.iter().map(|node| format!("{} {}", text(node, "name"), text(node, "outcome"))).collect()
    }

    pub fn all(&self, outcome: &str) -> bool {
        self.0["steps"].as_array().unwrap().iter().all(|node| node["outcome"] == outcome)
    }
}

/// A snapshot of what people see, but for times, sizes and fingerprints.
macro_rules! assert_seen {
    ($name:literal, $ended:expr) => {
        insta::with_settings!({
            prepend_module_to_snapshot => false,
            omit_expression => true,
            filters => [
                (r"saved (<1 ms|[\d.]+ m?s) *", "saved [time]  "),
                (r" +(<1 ms|[\d.]+ m?s)\b", " [time]"),
                (r"\((<1 ms|[\d.]+ m?s)\b", "([time]"),
                (r"\b[\d.]+ (B|kB|MB)\b", "[size]"),
                (r"\b[0-9a-f]{64}\b", "[fingerprint]"),
                (r"\b[0-9a-f]{12}\b", "[fingerprint]"),
                (r#""(\w*seconds)": [\d.e-]+"#, r#""$1": [time]"#),
                (r#""(bytes|hashed_bytes)": \d+"#, r#""$1": [size]"#),
            ],
        }, { insta::assert_snapshot!($name, $ended.seen()) })
    };
}
pub(crate) use assert_seen;
