"""References: the papers that methods come from."""

from __future__ import annotations

IG = "Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks, 2017, arXiv:1703.01365"


DEEP_LIFT = "Shrikumar, Greenside, Kundaje: Learning Important Features, 2017, arXiv:1704.02685"


SHAP = "Lundberg, Lee: A Unified Approach to Interpreting Model Predictions, 2017, arXiv:1705.07874"


SALIENCY = "Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks, 2013, arXiv:1312.6034"


DECONVOLUTION = "Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, 2013, arXiv:1311.2901"


GUIDED = "Springenberg et al.: Striving for Simplicity: The All Convolutional Net, 2014, arXiv:1412.6806"


CONDUCTANCE = "Dhamdhere, Sundararajan, Yan: How Important Is a Neuron?, 2018, arXiv:1805.12233"


INFLUENCE = "Leino et al.: Influence-Directed Explanations for Deep Convolutional Networks, 2018, arXiv:1802.03788"


PERMUTATION = "Breiman: Random Forests, 2001; Fisher, Rudin, Dominici, 2018, arXiv:1801.01489"


GRAD_CAM = "Selvaraju et al.: Grad-CAM, 2016, arXiv:1610.02391"


ABLATION = "Merrick: Randomized Ablation Feature Importance, 2019, arXiv:1910.00174"


SHAPLEY = "Castro, Gómez, Tejada: Polynomial Calculation of the Shapley Value Based on Sampling, 2009"


LIME = "Ribeiro, Singh, Guestrin: Why Should I Trust You?, 2016, arXiv:1602.04938"


RELEVANCE = "Bach et al.: On Pixel-Wise Explanations, PLoS ONE 10(7), 2015, doi:10.1371/journal.pone.0130140"


RISE = "Petsiuk, Das, Saenko: RISE: Randomized Input Sampling for Explanation, 2018, arXiv:1806.07421"


SOBOL = "Fel et al.: Look at the Variance!, 2021, arXiv:2111.04138"


CAM = "Zhou et al.: Learning Deep Features for Discriminative Localization, 2016, arXiv:1512.04150"


LINEAR_APPROXIMATION = "Kindermans et al.: Investigating the influence of noise and distractors, 2016, arXiv:1611.07270"


SENSITIVITY = "Montavon, Samek, Müller: Methods for interpreting deep neural networks, 2018, arXiv:1706.07979"


TAYLOR = "Montavon et al.: Explaining nonlinear classification decisions with deep Taylor decomposition, 2017, arXiv:1512.02479"


EXTREMAL = "Fong, Patrick, Vedaldi: Understanding Deep Networks via Extremal Perturbations, 2019, arXiv:1910.08485"


BLUR_IG = "Xu, Venugopalan, Sundararajan: Attribution in Scale and Space, 2020, arXiv:2004.03383"


GUIDED_IG = "Kapishnikov et al.: Guided Integrated Gradients, 2021, arXiv:2106.09788"


XRAI = "Kapishnikov et al.: XRAI: Better Attributions Through Regions, 2019, arXiv:1906.02825"


ATTN_LRP = "Achtibat et al.: AttnLRP: Attention-Aware Layer-Wise Relevance Propagation for Transformers, 2024, arXiv:2402.05602"


SYNTHESIZED = f"{SALIENCY}; in code space Nguyen et al., 2016, arXiv:1605.09304"


FEATURE_VISUALIZATION = "Olah, Mordvintsev, Schubert: Feature Visualization, Distill, 2017, doi:10.23915/distill.00007"


DEEP_DREAM = "Mordvintsev, Olah, Tyka: Inceptionism, Google Research Blog, 2015"


INVERTED = "Mahendran, Vedaldi: Understanding Deep Image Representations by Inverting Them, 2015, arXiv:1412.0035"
