"""The public surface: growth is a decision, and importing the package is cheap."""

import subprocess
import sys

from surface import names, public_modules

import comm_lite

PUBLIC = {
    "comm_lite": """
        CoMM Score TrainConfig TwoTower clip_loss cmc_loss comm_loss cross_self_loss embed fit info_nce linear_probe
        nt_xent
    """,
    "comm_lite.alignment": "kept_by_alignment optimal_critic view_gaps",
    "comm_lite.bounds": """
        GaussianPair SeparableCritic club donsker_varadhan gaussian_pair info_nce_bound nce_club nwj smile
    """,
    "comm_lite.book.controlled": """
        LABELS METHODS Recipe Run SETTINGS SIDES STRENGTHS Setting TASKS build pretrain probe run
    """,
    "comm_lite.data": """
        Batches Captioned Emoji ImageAugment Table TextAugment Tokenizer VectorAugment blur load_emoji recolour stream
        train_tokenizer warp
    """,
    "comm_lite.evaluate": """
        MinimalPairs Retrieval Score Usable ZeroShot bleu cider clip_score embed linear_probe minimal_pair_scores
        present probe_subsets retrieval retrieval_ranks subsets tuple_f1 usable_information zero_shot
        zero_shot_classifier
    """,
    "comm_lite.info": """
        co_information conditional_entropy conditional_mutual_information distribution entropy joint
        kl_divergence mutual_information
    """,
    "comm_lite.book.ledger": "PROFILES Published Row append latest read_ledger",
    "comm_lite.losses": """
        FactorCL binding_loss binding_terms clip_loss clip_terms cmc_loss cmc_terms comm_loss comm_terms cosine
        cross_self_loss cross_self_terms info_nce nt_xent supcon_loss
    """,
    "comm_lite.models": "CoMM TwoTower",
    "comm_lite.nn": """
        AlexNetFeatures BilinearFusion ConcatFusion ConcatSelfAttention CrossAttentionFusion FiLMFusion
        GatedCrossAttention LateFusion LowRankFusion PatchConverter PerToken PerceiverResampler PretrainedCLIP
        PretrainedImages PretrainedTexts ProductFusion ProjectionHead QFormer SmallCNN TextTransformer TokenConverter
        cached_tokens last_image load_weights qformer_mask save_weights sincos_2d
    """,
    "comm_lite.pid": """
        Estimate GATES Gate PID PIDBatch additive batch broja broja_batch cluster combine gain_angle gaussian_scalar
        gaussian_vector imin measures mmi plug_in plug_in_bias posterior posterior_pid sinkhorn
    """,
    "comm_lite.book.plot": """
        ATOMS COLOURS atom_bars attention_map contrastive_batch embedding_map explore gallery gate_mixer
        infonce_gradient iq_contour loss_curves loss_terms mi_bounds mixture_probe score_bars search_results
        sensor_angle slider use_style
    """,
    "comm_lite.book.same": "assert_same",
    "comm_lite.book.teach": "Settings assert_same record settings show_source",
    "comm_lite.worlds": """
        COLOURS CaptionSplits CaptionsConfig Described GENRES Images MovieSplits Movies MoviesConfig NEGATIVES Pairs
        Phrase Planted PlantedConfig PlantedSplits RELATIONS SHAPES TEXTURES TRIPLE_SOURCES Trifeatures
        TrifeaturesConfig Triples TriplesConfig WORDINGS combinations draw_posters
        draw_scenes exact_atoms hard_negative latent_joint lay_out make_captions make_movies make_triples
        minimal_pairs pair_up planted_vectors render trifeatures triple_bits
    """,
    "comm_lite.train": """
        Checkpoints History Muon PlateauWarning TrainConfig fit jsonl_writer latest_checkpoint load orthogonalise
        parameter_groups save tensorboard_writer
    """,
}


def test_the_surface_is_the_one_agreed():
    found = {name: sorted(names(module)) for name, module in public_modules().items()}
    assert found == {name: sorted(names.split()) for name, names in PUBLIC.items()}


def test_every_public_name_is_there_and_documented():
    for name, module in public_modules().items():
        assert module.__doc__, name
        for public in names(module):
            assert hasattr(module, public), f"{name}.{public}"


def test_version_is_the_one_of_the_distribution():
    from importlib.metadata import version

    assert comm_lite.__version__ == version("comm-lite")


def test_import_loads_nothing_heavy():
    heavy = [
        "matplotlib",
        "plotly",
        "sklearn",
        "scipy",
        "transformers",
        "tokenizers",
        "huggingface_hub",
        "IPython",
        "ipywidgets",
        "torchvision",
        "pandas",
    ]
    code = f"import sys, comm_lite; print([m for m in {heavy} if m in sys.modules], 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[] True", done.stderr
