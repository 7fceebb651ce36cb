"""What screening is worth on the simulated studies, whose true effects are known; every study is predicted by a model that never saw it."""
