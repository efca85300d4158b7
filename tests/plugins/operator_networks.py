"""Networks of one operator each, to be exported."""

from __future__ import annotations

import torch

from vosrt.plugins import (
    channel_gate,
    convolution_1x1,
    convolution_3x3,
    directional_matching,
    frame_image,
    frame_labels,
    frame_probabilities,
    global_matching,
    group_norm,
    least_other,
    local_matching,
    memory_read,
    separable_resize,
)

WINDOWS = (6, 2, 4)


class ConvolutionNetwork(torch.nn.Module):
    def forward(self, image, weights, bias):
        return torch.tanh(convolution_3x3(image, weights, bias) / 2)


class PointwiseNetwork(torch.nn.Module):
    def forward(self, image, weights, bias):
        return torch.tanh(convolution_1x1(image, weights, bias) / 2)


class DirectionsNetwork(torch.nn.Module):
    def forward(self, query, bank, weights, valid):
        return torch.tanh(directional_matching(query, bank, weights, valid) / 2)


class GateNetwork(torch.nn.Module):
    def forward(self, maps, alpha, gamma, beta):
        return torch.tanh(channel_gate(maps, alpha, gamma, beta) / 2)


class NormNetwork(torch.nn.Module):
    def forward(self, maps, gain, shift):
        return torch.tanh(group_norm(maps, gain, shift, groups=2) / 2)


class GlobalNetwork(torch.nn.Module):
    def forward(self, query, bank, labels, rows):
        return torch.tanh(global_matching(query, bank, labels, rows) / 2)


class LocalNetwork(torch.nn.Module):
    def forward(self, query, previous, labels, rows):
        return torch.tanh(local_matching(query, previous, labels, rows, windows=WINDOWS, dilation=2) / 2)


class FrameNetwork(torch.nn.Module):
    def forward(self, frame, canvas, factor, summand):
        return frame_image(frame, canvas, factor, summand)


class LabelsNetwork(torch.nn.Module):
    def forward(self, logits, canvas, rows):
        return frame_labels(logits, canvas, rows)


class ProbabilitiesNetwork(torch.nn.Module):
    def forward(self, logits, canvas):
        return frame_probabilities(logits, canvas)


class OthersNetwork(torch.nn.Module):
    def forward(self, maps):
        return least_other(maps)


class ResizeNetwork(torch.nn.Module):
    def forward(self, maps, height_matrix, width_matrix):
        return separable_resize(maps, height_matrix, width_matrix)


class ReadNetwork(torch.nn.Module):
    def forward(self, query, keys, values, valid):
        return torch.tanh(memory_read(query, keys, values, valid) / 2)
