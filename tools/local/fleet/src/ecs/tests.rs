//! Whole deployments, with real servers behind real balancers and a rest of AWS made for the test.
