//! The delivery against a real MiniStack. `LASTGOOD_MINISTACK` says where its executable is;
//! without it there is nothing to test against, and the test says so.

#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod world;
