//! The server as its operators meet it: started, asked, stopped.

#[cfg(test)]
mod crash;
#[cfg(test)]
mod env_example;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod process;
#[cfg(test)]
mod running;
