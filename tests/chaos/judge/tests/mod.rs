//! The judge gets forged histories: clean ones, which pass, and for each rule histories that break exactly it.

mod broken;
mod clean;
mod forged;
