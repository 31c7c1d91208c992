"""The methods of pytorch-grad-cam, a row each."""

from __future__ import annotations

from typing import Any

from metannvis_methods.registry.option_values import Values, function, number, one_of, whole
from metannvis_methods.registry.references import GRAD_CAM
from metannvis_methods.registry.sanity_checks import PASSES_ADEBAYO, PASSES_WANG
from metannvis_methods.registry.spec import Argument, MethodSpec

__all__ = ["ROWS"]

INPUT = Argument("input_tensor", "input", required=True)
TARGET = Argument("targets", "target")
EXTRA = Argument("additional_forward_args", "extra", own=True)
LAYERS = Argument("target_layers", "layer", required=True)
RESHAPE = Argument("reshape_transform", takes=function())
RELU = Argument("relu", flag=True, own=True)
SMOOTH = Argument("eigen_smooth", flag=True)
BATCH = Argument("batch_size", "batch", takes=whole(1))
RANKS = Values(
    "ranks of at least 1, the nearest class first, in a tuple",
    lambda value: isinstance(value, (tuple, list)) and bool(value) and all(map(whole(1).fits, value)),
)
INIT, CALL = (LAYERS, RESHAPE), (INPUT, TARGET, EXTRA, RELU)
OF_LAYER = (INPUT, EXTRA, RELU)
OWN = "metannvis_methods.toolsets.grad_cam"

COARSE = "is as coarse as the layer, and says nothing of single channels"
ANY_CLASS = "looks at the layer alone: it is the same whatever the class"
SIGN = "a component has no sign of its own: the largest absolute value is made positive"
TOOLKIT = "Gildenblat et al.: pytorch-grad-cam, 2021, github.com/jacobgil/pytorch-grad-cam"
EIGEN = "Muhammad, Yeasin: Eigen-CAM, 2020, arXiv:2008.00299"


def _row(key: str, cls: str, **fields: Any) -> MethodSpec:
    """A row of one of pytorch-grad-cam's classes, or of ours if it has a module."""
    fields = {
        "kind": "layer",
        "init": INIT,
        "call": (*CALL, SMOOTH),
        "family": "cam",
        "passes": "1",
        "rows_a_sample": 1,
        "needs": ("logits", "map"),
        **fields,
    }
    where = f"{OWN}.{cls}" if ":" in cls else f"pytorch_grad_cam:{cls}"
    return MethodSpec(key=key, toolset="grad-cam", framework="torch", cls=where, **fields)


ROWS: tuple[MethodSpec, ...] = (
    _row(
        "grad_cam",
        "GradCAM",
        summary="the layer's channels, weighted by mean gradients and added up; not enlarged, rectified or scaled",
        caveats=(COARSE,),
        sanity=PASSES_ADEBAYO,
        reference=GRAD_CAM,
    ),
    _row(
        "grad_cam++",
        "GradCAMPlusPlus",
        summary="Grad-CAM with weights from positive gradients, their squares and cubes",
        caveats=(COARSE, "adds 1e-6 to a denominator: gradients below 1e-3 weigh less than in the paper"),
        reference="Chattopadhyay et al.: Grad-CAM++, 2017, arXiv:1710.11063",
    ),
    _row(
        "hires_cam",
        "HiResCAM",
        summary="the layer's output times its gradient, added up over channels",
        caveats=("shows what the class comes from only if what follows the layer is one dense layer",),
        reference="Draelos, Carin: HiResCAM, 2020, arXiv:2011.08891",
    ),
    _row(
        "grad_cam_elementwise",
        "GradCAMElementWise",
        summary="the layer's output times its gradient, where that is positive, added up over channels",
        caveats=("shows only what speaks for the target",),
        reference=TOOLKIT,
    ),
    _row(
        "xgrad_cam",
        "XGradCAM",
        summary="the layer's channels, weighted by gradients in proportion to their activations",
        caveats=(COARSE, "divides by the sum of a channel: channels that are nearly zero in sum weigh too much"),
        reference="Fu et al.: Axiom-based Grad-CAM, 2020, arXiv:2008.02312",
    ),
    _row(
        "layer_cam",
        "LayerCAM",
        summary="a layer's channels, weighted element by element by their positive gradients and added up",
        caveats=("shows only what speaks for the target",),
        reference="Jiang et al.: LayerCAM, 2021, doi:10.1109/TIP.2021.3089943",
    ),
    _row(
        "shapley_cam",
        "ShapleyCAM",
        summary="Grad-CAM with gradients less half the product of the Hessian and the activations",
        caveats=(
            COARSE,
            "is Grad-CAM where all that follows the layer is piecewise linear: ReLUs, pools, dense layers",
        ),
        reference="Cai: CAMs as Shapley Value-based Explainers, 2025, arXiv:2501.06261",
    ),
    _row(
        "finer_cam",
        "FinerCAM",
        init=(
            *INIT,
            Argument("base_method", takes=one_of("grad_cam", "grad_cam++", "hires_cam", "xgrad_cam", "layer_cam")),
        ),
        call=(*CALL, SMOOTH, Argument("alpha", takes=number(0)), Argument("comparison_categories", takes=RANKS)),
        summary="Grad-CAM of the score of a class less those of the classes that are nearest to it",
        caveats=(COARSE, "shows what tells a class from its neighbours, not what the class comes from"),
        reference="Zhang et al.: Finer-CAM, 2025, arXiv:2501.11309",
    ),
    _row(
        "eigen_grad_cam",
        "EigenGradCAM",
        call=CALL,
        summary="first principal component of the layer's output times its gradient",
        caveats=(SIGN,),
        reference=EIGEN,
    ),
    _row(
        "seg_eigen_cam",
        "SegEigenCAM",
        call=CALL,
        summary="first principal component of the layer's output times its absolute gradient",
        caveats=(SIGN,),
        reference="Chung, Ying: Seg-Eigen-CAM, 2025, doi:10.3390/app15137562",
    ),
    _row(
        "eigen_cam",
        "EigenCAM",
        call=OF_LAYER,
        gradients=False,
        needs=("map",),
        summary="first principal component of the layer's output over its places",
        caveats=(ANY_CLASS, SIGN, "subtracts the mean of each channel first, which the paper does not"),
        reference=EIGEN,
    ),
    _row(
        "kpca_cam",
        "KPCA_CAM",
        init=(
            *INIT,
            Argument("kernel", takes=one_of("linear", "poly", "rbf", "sigmoid", "cosine")),
            Argument("gamma", takes=number(above=0)),
        ),
        call=OF_LAYER,
        gradients=False,
        needs=("map",),
        summary="first component of a kernel principal component analysis of the layer's output over its places",
        caveats=(ANY_CLASS, "compares each place with every other: slow for large maps"),
        reference="Karmani et al.: KPCA-CAM, 2024, arXiv:2410.00267",
    ),
    _row(
        "fem",
        "FEM",
        init=(*INIT, Argument("k", takes=number())),
        call=OF_LAYER,
        gradients=False,
        needs=("map",),
        summary="the layer's channels, weighted by the share of places k standard deviations above their mean",
        caveats=(ANY_CLASS, "is zero where no place is that far above the mean, as in small maps"),
        reference="Fuad et al.: Features Understanding in 3D CNNs, 2020, hal-02963298",
    ),
    _row(
        "random_cam",
        "RandomCAM",
        call=OF_LAYER,
        gradients=False,
        needs=("map",),
        summary="the layer's channels with random weights: what a map shows that nothing was asked for",
        caveats=("is no explanation, but what others are held against", "is random: give seed=… to repeat it"),
        reference=TOOLKIT,
        stochastic=True,
        rows_a_sample=None,
    ),
    _row(
        "ablation_cam",
        "channel_scores:AblationCAM",
        init=(*INIT, BATCH),
        call=CALL,
        gradients=False,
        passes="channels + 1",
        summary="the layer's channels, weighted by the share of the score that is lost without each",
        caveats=(
            COARSE,
            "runs the model once a channel of the layer",
            "divides by the score: near zero it says nothing",
        ),
        reference="Desai, Ramaswamy: Ablation-CAM, 2020, doi:10.1109/WACV45572.2020.9093360",
    ),
    _row(
        "score_cam",
        "channel_scores:ScoreCAM",
        init=(*INIT, BATCH),
        call=CALL,
        gradients=False,
        passes="channels + 1",
        summary="a layer's channels, weighted by a softmax of the scores for the input masked with each",
        caveats=(COARSE, "runs the model once a channel of the layer"),
        sanity=PASSES_WANG,
        reference="Wang et al.: Score-CAM, 2019, arXiv:1910.01279",
    ),
    _row(
        "full_grad",
        "full_grad:FullGrad",
        kind="primary",
        family="gradient",
        init=(),
        call=(INPUT, TARGET, EXTRA, RELU),
        needs=("logits",),
        summary="absolute input times gradient, and each bias of a convolution or norm times its gradient, as maps added up",
        caveats=(
            "scales each channel of each layer to 0…1 before it adds them up, as the paper does",
            "knows biases of convolutions and batch norms that are modules",
        ),
        reference="Srinivas, Fleuret: Full-Gradient Representation, 2019, arXiv:1905.00780",
    ),
    _row(
        "deep_feature_factorization",
        "factorization:DeepFeatureFactorization",
        init=(Argument("target_layer", "layer", required=True), RESHAPE, Argument("n_components", takes=whole(1))),
        call=(INPUT, EXTRA),
        family="activation",
        needs=("map",),
        rows_a_sample=None,
        batchable=False,
        summary="concepts that the layer's output of all samples is made of, and where each is seen",
        caveats=("does not say which class a concept speaks for", "finds one factorisation of many, always the same"),
        reference="Collins, Achanta, Süsstrunk: Deep Feature Factorization, 2018, arXiv:1806.10206",
    ),
)
