//! The binaries that are measured: the functions and, built with them, the smallest function there is, the ingestion alone and the
//! matching alone.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::figure::{Figure, millions};
use crate::{
    error::{Context, Result},
    package::{self, Profile},
    paths,
};

/// Name of the example that everything is measured against.
pub const HELLO: &str = "hello";
/// Name of the example that reads and plans a file with no cloud around it.
pub const INGEST: &str = "ingest";
/// Name of the example that scores the matching of claims.
pub const MATCHING: &str = "matching";

const SECTION: &str = "stripped binary";
const BOUND: (f64, &str) = (6.0, "aim <= 6 MB");

/// Binaries laid out beside a copy of the template, apart from what `cargo local up` deploys.
#[derive(Debug)]
pub struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    /// Builds them and lays them out under `dir`.
    pub fn build(dir: &Path, profile: Profile) -> Result<Self> {
        let binaries = Self { dir: dir.to_owned() };
        let template = binaries.template();
        if let Some(parent) = template.parent() {
            fs::create_dir_all(parent).setup(format_args!("{} cannot be created", parent.display()))?;
        }
        fs::copy(paths::template(), &template).failed("the template cannot be copied")?;
        package::functions_under(&binaries.lambda(), profile, &[HELLO, INGEST, MATCHING])?;
        Ok(binaries)
    }

    /// The template as it is, at a place from which its `CodeUri` folders are found.
    pub fn template(&self) -> PathBuf {
        self.dir.join("infra/template.yaml")
    }

    fn lambda(&self) -> PathBuf {
        self.dir.join("target/lambda")
    }

    /// The stripped binary of a function or an example.
    pub fn path(&self, name: &str) -> PathBuf {
        self.lambda().join(name).join("bootstrap")
    }

    fn size(&self, name: &str) -> Result<u64> {
        let path = self.path(name);
        Ok(fs::metadata(&path).failed(format_args!("{} cannot be read", path.display()))?.len())
    }
}

/// The size of every function beside that of the smallest one.
pub fn sizes(binaries: &Binaries) -> Result<Vec<Figure>> {
    let hello = millions(binaries.size(HELLO)?);
    let mut figures = vec![Figure::stated(SECTION, HELLO, hello, format!("{hello:.2} MB"))];
    for name in paths::functions()? {
        let size = millions(binaries.size(&name)?);
        let measured = format!("{size:.2} MB = {:.1}x hello", size / hello);
        figures.push(Figure::at_most(SECTION, name, size, measured, BOUND));
    }
    Ok(figures)
}
