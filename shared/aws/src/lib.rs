//! The engine's traits on DynamoDB, ECS, CodeDeploy and SNS.
