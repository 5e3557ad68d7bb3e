"""What the tests of the graph and of the pipeline both say about it: the stages one scalar of params.yaml reaches."""

DRAWN = {"tables", "figures@hebbian", "figures@cnnf", "figures@kwta", "figures@vonenet", "report"}
REACHED = {
    "hebbian.delta": {
        "hebbian_pretrain@uniform",
        "hebbian_pretrain@normal",
        "train_supervised@report-uniform",
        "train_supervised@report-normal",
        "train_supervised@normal-converged",
        "train_supervised@normal-dropped",
        "attack_hebbian@report-uniform",
        "attack_hebbian@report-normal",
        "attack_hebbian@normal-converged",
        "attack_hebbian@normal-dropped",
        "compare@hebbian",
    },
    "cnnf.residual": {
        "train_cnnf@cnn-feedback",
        "attack_cnnf@cnn-feedback",
        "compare@cnnf",
    },
    "kwta.gamma": {
        "train_kwta@kwta",
        "attack_kwta@kwta",
        "compare@kwta",
    },
    "vonenet.gabor_seed": {
        "train_vonenet@voneresnet50",
        "train_vonenet@voneresnet50-noiseless",
        "train_vonenet@voneresnet50-untrained",
        "perturb_vonenet",
        "activations_vonenet",
        "compare@vonenet",
    },
}
