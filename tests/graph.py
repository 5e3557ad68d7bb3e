"""What the tests of the graph and of the pipeline both say about it: the stages one scalar of params.yaml reaches."""

from biorobust.params import STUDIES

DRAWN = {"tables", *(f"figures@{study}" for study in STUDIES), "report"}
FAMILIES = ("yardsticks", "hebbian", "cnnf", "kwta", "vonenet", "adversarial")
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
        "adapt@hebbian",
        "compare@hebbian",
    },
    "cnnf.residual": {
        "train_cnnf@cnn-feedback",
        "attack_cnnf@cnn-feedback",
        "adapt@cnnf",
        "compare@cnnf",
        "question_train@cnnf",
        "question_attack@cnnf",
        "question_transfer",
        "compare@question",
    },
    "kwta.gamma": {
        "train_kwta@kwta",
        "attack_kwta@kwta",
        "train_kwta@transferred",
        "attack_kwta@transferred",
        "adapt@kwta",
        "compare@kwta",
        "question_train@kwta",
        "question_attack@kwta",
        "question_transfer",
        "compare@question",
    },
    "question.eps": {
        "question_train@adversarial",
        *(f"question_attack@{family}" for family in FAMILIES),
        "question_transfer",
        "compare@question",
    },
    "vonenet.gabor_seed": {
        "train_vonenet@voneresnet50",
        "train_vonenet@voneresnet50-noiseless",
        "train_vonenet@voneresnet50-untrained",
        "perturb_vonenet",
        "activations_vonenet",
        "adapt@vonenet",
        "compare@vonenet",
        "question_train@vonenet",
        "question_attack@vonenet",
        "question_transfer",
        "compare@question",
    },
}
