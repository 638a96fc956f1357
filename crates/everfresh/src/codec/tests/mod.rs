mod format;
mod properties;
mod shapes;
mod strictness;
