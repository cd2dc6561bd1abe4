"""The peer's Hydra application: one run. `-m` and a launcher make a sweep of it.

The peer is spared what would slow it and isn't needed: progress bar, checkpoints, logging at each step,
more than one torch thread a process. Data come as arrays from sgdlab, standardised, so that both sides train
on the same numbers.
"""

from __future__ import annotations

import logging
from pathlib import Path

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from model import Classifier, Mlp
from omegaconf import DictConfig, OmegaConf
from pydantic import TypeAdapter
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.loggers import CSVLogger
from torch.utils.data import DataLoader, TensorDataset

from sgdlab.config.datasets import Data
from sgdlab.data.load import load_dataset
from sgdlab.data.pipeline import ResidentPipeline

_EVALUATION_BATCH = 1024


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config: DictConfig) -> None:
    """Train one run; its metrics are in `metrics.csv` of Hydra's output folder."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    seed_everything(config.seed, verbose=False)

    data: Data = TypeAdapter(Data).validate_python(OmegaConf.to_container(config.data))
    raw = load_dataset(data, Path(config.data_folder))
    pipeline = ResidentPipeline(data, raw, torch.device("cpu"), torch.float32)
    train = TensorDataset(pipeline.train.inputs, pipeline.train.labels)
    test = TensorDataset(pipeline.test.inputs, pipeline.test.labels)

    widths = [train.tensors[0][0].numel(), *config.hidden_widths, data.num_classes]
    classifier = Classifier(Mlp(widths, config.activation), config.lr, config.l2, config.penalty)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=-1,
        max_steps=config.num_updates,
        val_check_interval=config.evaluate_every_num_updates,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        logger=CSVLogger(HydraConfig.get().runtime.output_dir, name="", version=""),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    evaluated = [DataLoader(test, _EVALUATION_BATCH), DataLoader(train, _EVALUATION_BATCH)]
    batches = DataLoader(train, config.batch_size, shuffle=True, drop_last=True)
    trainer.fit(classifier, batches, evaluated)
    if config.num_updates % config.evaluate_every_num_updates:  # the last update is on the grid
        trainer.validate(classifier, evaluated, verbose=False)


if __name__ == "__main__":
    main()
