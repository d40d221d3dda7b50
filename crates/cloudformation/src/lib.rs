//! AWS CloudFormation: templates become stacks of resources, and stacks keep their promises.

pub mod shapes;
